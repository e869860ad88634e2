// Drives the Unreal plug-in's plain C++ and prints one JSON line per event (tests/client_kits.py says which).
//   kit_program recording FILE | kit_program live HOST PORT | kit_program mesh
// The socket is of this test alone: inside Unreal the engine's own WebSocket module stands in its place.
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "corybant/receiver.h"
#include "corybant/unreal_space.h"

using namespace corybant;

static void say(Vec3 v) { std::printf("[%.17g,%.17g,%.17g]", v.x, v.y, v.z); }
static void say(Quat q) { std::printf("[%.17g,%.17g,%.17g,%.17g]", q.x, q.y, q.z, q.w); }

template <typename Turn>
static void say_all(const std::vector<Quat>& turns, Turn turn) {
    std::printf("[");
    for (std::size_t j = 0; j < turns.size(); ++j) {
        if (j) std::printf(",");
        say(turn(turns[j]));
    }
    std::printf("]");
}

static void say_frame(const char* kind, const std::optional<Frame>& frame) {
    if (!frame) {
        std::printf("{\"kind\":\"%s\"}\n", std::string(kind) == "pose" ? "refused" : "nothing");
        return;
    }
    std::printf("{\"kind\":\"%s\",\"frame\":%u,\"time_s\":%.17g,\"sent_s\":%.17g,\"flags\":%u,\"performers\":[", kind, frame->number,
                frame->time_s, frame->sent_s, frame->flags);
    for (std::size_t p = 0; p < frame->performers.size(); ++p) {
        const Performer& body = frame->performers[p];
        std::printf(p ? ",{\"root\":" : "{\"root\":");
        say(body.root);
        std::printf(",\"rotations\":");
        say_all(body.rotations, [](Quat q) { return q; });
        std::printf(",\"target_root\":");
        say(unreal_position(body.root));
        std::printf(",\"target_rotations\":");
        say_all(body.rotations, unreal_rotation);
        std::printf("}");
    }
    std::printf("]}\n");
}

static void say_skeleton(const Receiver& receiver) {
    std::printf("{\"kind\":\"skeleton\",\"count\":%d,\"names\":[", receiver.skeletons);
    for (std::size_t j = 0; j < receiver.skeleton.names.size(); ++j) std::printf(j ? ",\"%s\"" : "\"%s\"", receiver.skeleton.names[j].c_str());
    std::printf("]}\n");
}

static double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

static void recording(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    Receiver receiver(0.05);
    for (std::size_t at = 0; at < bytes.size();) {
        const double when_s = detail::double_at(data + at);
        const auto kind = detail::unsigned_at(data + at + 8, 4);
        const auto size = detail::unsigned_at(data + at + 12, 4);
        at += 16;
        if (kind == 1) {
            if (receiver.text(std::string(bytes.data() + at, size))) say_skeleton(receiver);
            else say_frame("pose", std::nullopt);
        } else if (kind == 2) {
            say_frame("pose", receiver.binary(data + at, size, when_s));
        } else {
            say_frame("shown", receiver.buffer.at(when_s));
        }
        at += size;
    }
}

/// One connection: enough of RFC 6455 for a server that is ours.
class Line {
public:
    Line(const std::string& host, const std::string& port) {
        addrinfo hints{}, *found = nullptr;
        hints.ai_socktype = SOCK_STREAM;
        if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) throw std::runtime_error("no such host");
        fd_ = socket(found->ai_family, SOCK_STREAM, 0);
        const timeval silence{3, 0};
        setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
        const int connected = connect(fd_, found->ai_addr, found->ai_addrlen);
        freeaddrinfo(found);
        if (connected != 0) {
            close(fd_);
            throw std::runtime_error("nobody there");
        }
        const std::string hello = "GET /ws HTTP/1.1\r\nHost: " + host + ":" + port +
                                  "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: Y29yeWJhbnQgdGVzdHMgIQ==\r\n\r\n";
        write(hello.data(), hello.size());
        std::string answer;
        while (answer.find("\r\n\r\n") == std::string::npos) answer += static_cast<char>(exactly(1)[0]);
        if (answer.find(" 101 ") == std::string::npos) throw std::runtime_error("no stage");
    }
    ~Line() { close(fd_); }
    Line(const Line&) = delete;

    /// The next message: 1 text, 2 binary.
    int message(std::vector<std::uint8_t>& out) {
        int kind = 0;
        out.clear();
        while (true) {
            const auto head = exactly(2);
            std::size_t size = head[1] & 0x7F;
            if (size > 125) {
                const std::size_t digits = size == 126 ? 2 : 8;
                size = 0;
                for (const std::uint8_t byte : exactly(digits)) size = size << 8 | byte;
            }
            if (size > 1u << 20) throw std::runtime_error("too large");
            const auto part = exactly(size);
            const int opcode = head[0] & 0x0F;
            if (opcode == 8) throw std::runtime_error("closed");
            if (opcode == 9) {  // masked with zeros: the same bytes
                std::string pong{static_cast<char>(0x8A), static_cast<char>(0x80 | size), 0, 0, 0, 0};
                pong.append(part.begin(), part.end());
                write(pong.data(), pong.size());
            }
            if (opcode > 2) continue;
            if (opcode) kind = opcode;
            out.insert(out.end(), part.begin(), part.end());
            if (head[0] & 0x80) return kind;
        }
    }

private:
    std::vector<std::uint8_t> exactly(std::size_t count) {
        std::vector<std::uint8_t> data(count);
        for (std::size_t have = 0; have < count;) {
            const ssize_t got = recv(fd_, data.data() + have, count - have, 0);
            if (got <= 0) throw std::runtime_error("the line broke");
            have += static_cast<std::size_t>(got);
        }
        return data;
    }
    void write(const char* data, std::size_t size) {
        if (send(fd_, data, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) throw std::runtime_error("the line broke");
    }
    int fd_ = -1;
};

static void live(const std::string& host, const std::string& port) {
    Receiver receiver(0.05);
    Backoff backoff;
    std::vector<std::uint8_t> data;
    for (int known = 0;; std::this_thread::sleep_for(std::chrono::duration<double>(backoff.next_s()))) {
        try {
            Line line(host, port);
            double heard_s = now_s();
            while (now_s() - heard_s < 3) {
                if (line.message(data) == 1) {
                    receiver.text(std::string(data.begin(), data.end()));
                    if (receiver.skeletons != known) say_skeleton(receiver);
                    known = receiver.skeletons;
                } else if (const auto frame = receiver.binary(data.data(), data.size(), now_s())) {
                    heard_s = now_s();
                    backoff.reset();
                    say_frame("pose", frame);
                    say_frame("shown", receiver.buffer.at(now_s()));
                }
                std::fflush(stdout);
            }
        } catch (const std::runtime_error&) {  // gone, silent or no stage: try again
        }
    }
}

/// Reads a skeleton (count; name parent x y z), rest bones (position, rotation) and local rotations; writes the T-pose rest
/// and the posed rotations.
static void mesh() {
    Skeleton skeleton;
    std::vector<RestBone> rest;
    std::vector<Quat> locals;
    int count = 0;
    if (std::scanf("%d", &count) != 1) throw std::runtime_error("no count");
    for (int j = 0; j < count; ++j) {
        char name[64];
        int parent;
        Vec3 offset;
        RestBone bone;
        Quat local;
        const int read = std::scanf("%63s %d %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf %lf", name, &parent, &offset.x, &offset.y,
                                    &offset.z, &bone.position.x, &bone.position.y, &bone.position.z, &bone.rotation.x, &bone.rotation.y,
                                    &bone.rotation.z, &bone.rotation.w, &local.x, &local.y, &local.z, &local.w);
        if (read != 16) throw std::runtime_error("a joint is cut short");
        skeleton.names.emplace_back(name);
        skeleton.parents.push_back(parent);
        skeleton.offsets.push_back(offset);
        rest.push_back(bone);
        locals.push_back(local);
    }
    const auto t_pose = t_pose_rest(skeleton, rest);
    std::printf("{\"hip_height\":%.9g,\"t_pose\":", hip_height(skeleton));
    say_all(t_pose, [](Quat q) { return q; });
    std::printf(",\"posed\":");
    say_all(pose_mesh(skeleton, t_pose, locals), [](Quat q) { return q; });
    std::printf(",\"bones\":{");
    for (std::size_t j = 0; j < skeleton.names.size(); ++j)
        std::printf("%s\"%s\":\"%s\"", j ? "," : "", skeleton.names[j].c_str(), mannequin_bones().at(skeleton.names[j]).c_str());
    std::printf("}}\n");
}

int main(int count, char** arguments) {
    const std::string what = count > 1 ? arguments[1] : "";
    if (what == "recording") recording(arguments[2]);
    else if (what == "live") live(arguments[2], arguments[3]);
    else if (what == "mesh") mesh();
    else return 2;
}
