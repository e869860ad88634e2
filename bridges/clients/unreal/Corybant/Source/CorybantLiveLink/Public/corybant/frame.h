// The Corybant stage's binary pose message and skeleton, in plain C++17: no Unreal header, no library.
// Written from docs/protocol.md. House axes: right-handed, +Y up, +Z forward, +X the dancer's left, metres, xyzw.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace corybant {

struct Vec3 {
    double x = 0, y = 0, z = 0;
};

inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator*(Vec3 a, double s) { return {a.x * s, a.y * s, a.z * s}; }
inline bool operator==(Vec3 a, Vec3 b) { return a.x == b.x && a.y == b.y && a.z == b.z; }
inline double dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec3 cross(Vec3 a, Vec3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
inline double length(Vec3 a) { return std::sqrt(dot(a, a)); }

struct Quat {
    double x = 0, y = 0, z = 0, w = 1;
};

/// First turn by b, then by a.
inline Quat operator*(Quat a, Quat b) {
    return {a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y, a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x,
            a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w, a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z};
}

inline Quat conjugate(Quat q) { return {-q.x, -q.y, -q.z, q.w}; }

inline Vec3 rotate(Quat q, Vec3 v) {
    const Vec3 axis{q.x, q.y, q.z}, t = cross(axis, v) * 2.0;
    return v + t * q.w + cross(axis, t);
}

/// From a (u = 0) to b (u = 1) on the shorter arc.
inline Quat slerp(Quat a, Quat b, double u) {
    double d = a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
    const double sign = d < 0 ? -1 : 1;
    d *= sign;
    double wa = 1 - u, wb = u;
    if (d <= 0.9995) {  // closer than that the chord is the arc, and the sine too small to divide by
        const double angle = std::acos(d);
        wa = std::sin((1 - u) * angle) / std::sin(angle);
        wb = std::sin(u * angle) / std::sin(angle);
    }
    wb *= sign;
    const Quat q{wa * a.x + wb * b.x, wa * a.y + wb * b.y, wa * a.z + wb * b.z, wa * a.w + wb * b.w};
    const double norm = std::sqrt(q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w);
    return norm > 1e-9 ? Quat{q.x / norm, q.y / norm, q.z / norm, q.w / norm} : Quat{};
}

/// One dancer: where the pelvis is [m], and the rotation of each joint, local to its parent.
struct Performer {
    Vec3 root;
    std::vector<Quat> rotations;
};

enum Flag : std::uint32_t { FREEZE = 1, BLACKOUT = 2, PANIC = 4, HELD = 8 };

/// One pose of all dancers; time_s is the stream time at which it should be seen.
struct Frame {
    std::uint32_t number = 0, flags = 0;
    double time_s = 0, sent_s = 0;
    std::vector<Performer> performers;

    bool visible() const { return !(flags & BLACKOUT); }
    std::size_t joints() const { return performers.empty() ? 0 : performers.front().rotations.size(); }
};

namespace detail {
inline std::uint64_t unsigned_at(const std::uint8_t* at, int bytes) {  // little-endian on every machine
    std::uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i) value = value << 8 | at[i];
    return value;
}

inline double double_at(const std::uint8_t* at) {
    const std::uint64_t bits = unsigned_at(at, 8);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline double float_at(const std::uint8_t* at) {
    const auto bits = static_cast<std::uint32_t>(unsigned_at(at, 4));
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
}  // namespace detail

/// A binary message; nothing when it is no whole, finite pose. Bytes after the last performer are left alone.
inline std::optional<Frame> decode_pose(const std::uint8_t* data, std::size_t size) {
    using namespace detail;
    constexpr std::size_t header = 32;
    if (size < header || std::memcmp(data, "CPS1", 4) != 0) return std::nullopt;
    const std::size_t performers = unsigned_at(data + 24, 2), joints = unsigned_at(data + 26, 2);
    if (size < header + performers * (12 + 16 * joints)) return std::nullopt;
    Frame frame;
    frame.number = static_cast<std::uint32_t>(unsigned_at(data + 4, 4));
    frame.time_s = double_at(data + 8);
    frame.sent_s = double_at(data + 16);
    frame.flags = static_cast<std::uint32_t>(unsigned_at(data + 28, 4));
    bool finite = std::isfinite(frame.time_s) && std::isfinite(frame.sent_s);
    const std::uint8_t* at = data + header;
    const auto next = [&at, &finite] {
        const double value = float_at(at);
        at += 4;
        finite = finite && std::isfinite(value);
        return value;
    };
    frame.performers.resize(performers);
    for (Performer& body : frame.performers) {
        body.root = {next(), next(), next()};  // braces: read in this order
        body.rotations.resize(joints);
        for (Quat& q : body.rotations) q = {next(), next(), next(), next()};
    }
    if (!finite) return std::nullopt;
    return frame;
}

/// The pose at part u of the way from a to b, with the number and flags of a. Other bodies in b: a itself.
inline Frame between(const Frame& a, const Frame& b, double u) {
    if (u <= 0 || a.performers.size() != b.performers.size() || a.joints() != b.joints()) return a;
    Frame mixed = a;
    mixed.time_s = (1 - u) * a.time_s + u * b.time_s;
    mixed.sent_s = (1 - u) * a.sent_s + u * b.sent_s;
    for (std::size_t p = 0; p < mixed.performers.size(); ++p) {
        Performer& body = mixed.performers[p];
        const Performer& to = b.performers[p];
        body.root = body.root * (1 - u) + to.root * u;
        for (std::size_t j = 0; j < body.rotations.size(); ++j) body.rotations[j] = slerp(body.rotations[j], to.rotations[j], u);
    }
    return mixed;
}

/// The body: joint names, parents (-1 = none) and places in the parent's frame [m].
struct Skeleton {
    std::vector<std::string> names;
    std::vector<int> parents;
    std::vector<Vec3> offsets;

    bool operator==(const Skeleton& o) const { return names == o.names && parents == o.parents && offsets == o.offsets; }
};

/// Rotations of the joints against the T-pose, in the dancer's space, from those local to the parents.
inline std::vector<Quat> globals(const Skeleton& skeleton, const std::vector<Quat>& locals) {
    std::vector<Quat> turns(locals.size());
    for (std::size_t j = 0; j < locals.size(); ++j)
        turns[j] = skeleton.parents[j] < 0 ? locals[j] : turns[static_cast<std::size_t>(skeleton.parents[j])] * locals[j];
    return turns;
}

/// Height of the pelvis above the lowest joint in the T-pose [m]: what root positions are scaled by.
inline double hip_height(const Skeleton& skeleton) {
    double lowest = 0;
    std::vector<double> heights(skeleton.names.size(), 0.0);
    for (std::size_t j = 0; j < heights.size(); ++j) {
        if (skeleton.parents[j] >= 0) heights[j] = heights[static_cast<std::size_t>(skeleton.parents[j])] + skeleton.offsets[j].y;
        if (heights[j] < lowest) lowest = heights[j];
    }
    return -lowest;
}

}  // namespace corybant
