// Interpolation buffer, back-off and the receiver that ties them together. Plain C++17: no socket, no clock.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <string>

#include "frame.h"
#include "json.h"

namespace corybant {

/// Shows poses delay_s behind the newest, so that the network's unevenness is not seen. Pass the time.
/// The quickest arrival says what the line takes; it is believed again only slowly, so one late pose moves nothing.
class PoseBuffer {
public:
    explicit PoseBuffer(double delay_s) : delay_s_(delay_s) {}

    void clear() { frames_.clear(); }
    int late() const { return late_; }  ///< poses that were not newer than the one before

    /// Take a pose that arrived at local time now_s, any clock that only goes forward.
    void push(const Frame& frame, double now_s) {
        const double lag_s = now_s - frame.time_s;
        if (!frames_.empty()) {
            const double step_s = frame.time_s - frames_.back().time_s;
            if (step_s > -JUMP_S && step_s <= 0) {
                ++late_;
                return;
            }
            if (std::abs(step_s) >= JUMP_S) clear();  // another performance, not a late pose
        }
        lag_s_ = frames_.empty() ? lag_s : std::min(lag_s, lag_s_ + RISE * std::max(0.0, now_s - pushed_s_));
        pushed_s_ = now_s;
        frames_.push_back(frame);
        if (frames_.size() > KEEP) frames_.pop_front();
    }

    /// What to show at local time now_s; nothing before the first pose. Never goes beyond the newest.
    std::optional<Frame> at(double now_s) {
        if (frames_.empty()) return std::nullopt;
        const double show_s = now_s - lag_s_ - delay_s_;
        while (frames_.size() > 1 && frames_[1].time_s <= show_s) frames_.pop_front();
        if (frames_.size() == 1) return frames_.front();
        return between(frames_[0], frames_[1], (show_s - frames_[0].time_s) / (frames_[1].time_s - frames_[0].time_s));
    }

private:
    static constexpr double JUMP_S = 1.0, RISE = 0.02;
    static constexpr std::size_t KEEP = 240;
    std::deque<Frame> frames_;
    double delay_s_, lag_s_ = 0, pushed_s_ = 0;
    int late_ = 0;
};

/// Waits between attempts to connect: 0.25 s, doubled up to 8 s; from the start after a pose has come.
class Backoff {
public:
    double next_s() {
        const double wait_s = wait_s_;
        wait_s_ = std::min(8.0, wait_s_ * 2);
        return wait_s;
    }
    void reset() { wait_s_ = 0.25; }

private:
    double wait_s_ = 0.25;
};

/// Messages in, poses out: knows the body and refuses what does not fit.
class Receiver {
public:
    explicit Receiver(double delay_s) : buffer(delay_s) {}

    /// A text message: the skeleton is kept, everything else is left alone. False when it was refused.
    bool text(const std::string& text) {
        const auto message = JsonReader::parse(text);
        if (!message) return refuse();
        const Json* type = message->find("type");
        if (!type || type->text != "skeleton") return true;
        const auto decoded = decode_skeleton(*message);
        if (!decoded) return refuse();
        buffer.clear();  // a new connection: what is left of the old one is old
        if (!(*decoded == skeleton)) {
            skeleton = *decoded;
            ++skeletons;
        }
        return true;
    }

    /// A binary message; its pose, or nothing when it was refused.
    std::optional<Frame> binary(const std::uint8_t* data, std::size_t size, double now_s) {
        auto frame = decode_pose(data, size);
        const bool fits = frame && skeletons && (frame->performers.empty() || frame->joints() == skeleton.names.size());
        if (!fits) {
            refuse();
            return std::nullopt;
        }
        buffer.push(*frame, now_s);
        return frame;
    }

    PoseBuffer buffer;
    Skeleton skeleton;
    int skeletons = 0;  ///< how often the body changed; look the bones up again when this grows
    int refused = 0;

private:
    bool refuse() {
        ++refused;
        return false;
    }
};

}  // namespace corybant
