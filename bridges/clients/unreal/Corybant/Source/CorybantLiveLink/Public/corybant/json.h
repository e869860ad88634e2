// Just enough JSON for the stage's short text messages. Plain C++17.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "frame.h"

namespace corybant {

struct Json {
    enum Kind { Null, Bool, Number, Text, List, Object } kind = Null;
    bool truth = false;
    double number = 0;
    std::string text;
    std::vector<Json> items;
    std::map<std::string, Json> members;

    const Json* find(const std::string& name) const {
        const auto found = members.find(name);
        return found == members.end() ? nullptr : &found->second;
    }
};

/// Nothing when the text is not JSON, or nested deeper than 32.
class JsonReader {
public:
    static std::optional<Json> parse(const std::string& text) {
        JsonReader reader(text);
        Json value;
        if (!reader.value(value, 0)) return std::nullopt;
        reader.space();
        if (reader.at_ != text.size()) return std::nullopt;
        return value;
    }

private:
    explicit JsonReader(const std::string& text) : text_(text) {}

    bool value(Json& out, int depth) {
        if (depth > 32) return false;
        space();
        switch (peek()) {
        case '{': return object(out, depth);
        case '[': return list(out, depth);
        case '"': out.kind = Json::Text; return string(out.text);
        case 't': out.kind = Json::Bool; out.truth = true; return word("true");
        case 'f': out.kind = Json::Bool; return word("false");
        case 'n': return word("null");
        default: return number(out);
        }
    }

    bool object(Json& out, int depth) {
        out.kind = Json::Object;
        ++at_;
        space();
        if (take('}')) return true;
        do {
            std::string name;
            space();
            if (!string(name)) return false;
            space();
            if (!take(':') || !value(out.members[name], depth + 1)) return false;
            space();
        } while (take(','));
        return take('}');
    }

    bool list(Json& out, int depth) {
        out.kind = Json::List;
        ++at_;
        space();
        if (take(']')) return true;
        do {
            out.items.emplace_back();
            if (!value(out.items.back(), depth + 1)) return false;
            space();
        } while (take(','));
        return take(']');
    }

    bool string(std::string& out) {
        if (!take('"')) return false;
        while (at_ < text_.size() && text_[at_] != '"') {
            char c = text_[at_++];
            if (c == '\\' && !escaped(c)) return false;
            out += c;
        }
        return take('"');
    }

    bool escaped(char& c) {
        if (at_ >= text_.size()) return false;
        c = text_[at_++];
        switch (c) {
        case 'n': c = '\n'; return true;
        case 't': c = '\t'; return true;
        case 'r': c = '\r'; return true;
        case 'b': c = '\b'; return true;
        case 'f': c = '\f'; return true;
        case 'u': at_ += 4; c = '?'; return at_ <= text_.size();  // joint names are ASCII
        default: return c == '"' || c == '\\' || c == '/';
        }
    }

    bool number(Json& out) {
        const std::size_t end = std::min(text_.find_first_not_of("+-.eE0123456789", at_), text_.size());
        const std::string digits = text_.substr(at_, end - at_);
        char* stopped = nullptr;
        out.kind = Json::Number;
        out.number = std::strtod(digits.c_str(), &stopped);
        at_ = end;
        return !digits.empty() && *stopped == '\0';
    }

    bool word(const std::string& wanted) {
        if (text_.compare(at_, wanted.size(), wanted) != 0) return false;
        at_ += wanted.size();
        return true;
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char wanted) { return peek() == wanted && ++at_; }
    void space() { at_ = std::min(text_.find_first_not_of(" \n\r\t", at_), text_.size()); }

    const std::string& text_;
    std::size_t at_ = 0;
};

/// The skeleton message, parsed; nothing when it describes no body.
inline std::optional<Skeleton> decode_skeleton(const Json& message) {
    const Json *names = message.find("names"), *parents = message.find("parents"), *offsets = message.find("offsets");
    if (!names || !parents || !offsets) return std::nullopt;
    const std::size_t count = names->items.size();
    if (parents->items.size() != count || offsets->items.size() != count) return std::nullopt;
    Skeleton skeleton;
    for (std::size_t j = 0; j < count; ++j) {
        const Json &name = names->items[j], &parent = parents->items[j];
        const std::vector<Json>& xyz = offsets->items[j].items;
        if (name.kind != Json::Text || parent.kind != Json::Number || parent.number >= static_cast<double>(j) || xyz.size() != 3)
            return std::nullopt;
        for (const Json& v : xyz)
            if (v.kind != Json::Number) return std::nullopt;
        skeleton.names.push_back(name.text);
        skeleton.parents.push_back(parent.number < 0 ? -1 : static_cast<int>(parent.number));
        skeleton.offsets.push_back({xyz[0].number, xyz[1].number, xyz[2].number});
    }
    return skeleton;
}

}  // namespace corybant
