using System;
using System.Collections.Generic;

namespace Corybant
{
    /// <summary>Shows poses <c>DelayS</c> behind the newest, so that the network's unevenness is not seen. Pure: pass the time.
    /// The quickest arrival says what the line takes; it is believed again only slowly, so one late pose moves nothing.</summary>
    public sealed class PoseBuffer
    {
        const double JumpS = 1.0; // more than this between two poses is another performance, not a late pose
        const double Rise = 0.02; // how fast the line is believed to have become slower [s/s]
        const int Keep = 240;

        public double DelayS;
        public int Late; // poses that were not newer than the one before
        readonly List<Frame> _frames = new List<Frame>();
        double _lagS, _pushedS;

        public PoseBuffer(double delayS) { DelayS = delayS; }

        public void Clear() { _frames.Clear(); }

        /// <summary>Take a pose that arrived at local time nowS, any clock that only goes forward.</summary>
        public void Push(Frame frame, double nowS)
        {
            double lagS = nowS - frame.TimeS;
            if (_frames.Count > 0)
            {
                double stepS = frame.TimeS - _frames[_frames.Count - 1].TimeS;
                if (stepS > -JumpS && stepS <= 0) { Late++; return; }
                if (Math.Abs(stepS) >= JumpS) Clear();
            }
            _lagS = _frames.Count == 0 ? lagS : Math.Min(lagS, _lagS + Rise * Math.Max(0, nowS - _pushedS));
            _pushedS = nowS;
            _frames.Add(frame);
            if (_frames.Count > Keep) _frames.RemoveAt(0);
        }

        /// <summary>What to show at local time nowS; null before the first pose. Never goes beyond the newest.</summary>
        public Frame At(double nowS)
        {
            if (_frames.Count == 0) return null;
            double showS = nowS - _lagS - DelayS;
            while (_frames.Count > 1 && _frames[1].TimeS <= showS) _frames.RemoveAt(0);
            if (_frames.Count == 1) return _frames[0];
            Frame first = _frames[0], second = _frames[1];
            return Frame.Between(first, second, (showS - first.TimeS) / (second.TimeS - first.TimeS));
        }
    }

    /// <summary>Waits between attempts to connect: 0.25 s, doubled up to 8 s; from the start after a pose has come.</summary>
    public sealed class Backoff
    {
        double _waitS = 0.25;
        public double NextS() { double waitS = _waitS; _waitS = Math.Min(8, _waitS * 2); return waitS; }
        public void Reset() { _waitS = 0.25; }
    }

    /// <summary>Messages in, poses out: knows the body and refuses what does not fit. No socket, no clock.</summary>
    public sealed class Receiver
    {
        public readonly PoseBuffer Buffer;
        public Skeleton Skeleton;
        public int Skeletons; // how often the body changed; look the bones up again when this grows
        public int Refused;

        public Receiver(double delayS) { Buffer = new PoseBuffer(delayS); }

        /// <summary>A text message: the skeleton is kept, everything else is left alone.</summary>
        public void Text(string text)
        {
            Skeleton skeleton;
            try
            {
                var message = Json.Parse(text) as Dictionary<string, object>;
                object type;
                if (message == null || !message.TryGetValue("type", out type) || !"skeleton".Equals(type)) return;
                skeleton = Corybant.Skeleton.Decode(message);
            }
            catch (FormatException) { Refused++; return; }
            Buffer.Clear(); // a new connection: what is left of the old one is old
            if (skeleton.Same(Skeleton)) return;
            Skeleton = skeleton;
            Skeletons++;
        }

        /// <summary>A binary message; returns its pose, or null when it was refused.</summary>
        public Frame Binary(byte[] data, int length, double nowS)
        {
            Frame frame;
            try { frame = Frame.Decode(data, length); }
            catch (FormatException) { Refused++; return null; }
            if (Skeleton == null || (frame.Performers.Length > 0 && frame.Joints != Skeleton.Names.Length)) { Refused++; return null; }
            Buffer.Push(frame, nowS);
            return frame;
        }
    }
}
