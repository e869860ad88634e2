using System;
using System.Collections.Generic;

namespace Corybant
{
    /// <summary>Position [m] or direction.</summary>
    public struct Vec3
    {
        public double X, Y, Z;
        public Vec3(double x, double y, double z) { X = x; Y = y; Z = z; }
        public static Vec3 operator +(Vec3 a, Vec3 b) { return new Vec3(a.X + b.X, a.Y + b.Y, a.Z + b.Z); }
        public static Vec3 operator *(Vec3 a, double s) { return new Vec3(a.X * s, a.Y * s, a.Z * s); }
        /// <summary>House axes to Unity's, or back: the mirror of X.</summary>
        public Vec3 ToUnity() { return new Vec3(-X, Y, Z); }
    }

    /// <summary>Unit quaternion in the order x y z w.</summary>
    public struct Quat
    {
        public double X, Y, Z, W;
        public static readonly Quat Identity = new Quat(0, 0, 0, 1);
        public Quat(double x, double y, double z, double w) { X = x; Y = y; Z = z; W = w; }

        /// <summary>House axes to Unity's, or back.</summary>
        public Quat ToUnity() { return new Quat(X, -Y, -Z, W); }

        /// <summary>First turn by b, then by a.</summary>
        public static Quat operator *(Quat a, Quat b)
        {
            return new Quat(
                a.W * b.X + a.X * b.W + a.Y * b.Z - a.Z * b.Y,
                a.W * b.Y - a.X * b.Z + a.Y * b.W + a.Z * b.X,
                a.W * b.Z + a.X * b.Y - a.Y * b.X + a.Z * b.W,
                a.W * b.W - a.X * b.X - a.Y * b.Y - a.Z * b.Z);
        }

        public Vec3 Rotate(Vec3 v)
        {
            double tx = 2 * (Y * v.Z - Z * v.Y), ty = 2 * (Z * v.X - X * v.Z), tz = 2 * (X * v.Y - Y * v.X);
            return new Vec3(v.X + W * tx + Y * tz - Z * ty, v.Y + W * ty + Z * tx - X * tz, v.Z + W * tz + X * ty - Y * tx);
        }

        /// <summary>From a (u = 0) to b (u = 1) on the shorter arc.</summary>
        public static Quat Slerp(Quat a, Quat b, double u)
        {
            double dot = a.X * b.X + a.Y * b.Y + a.Z * b.Z + a.W * b.W, sign = 1;
            if (dot < 0) { dot = -dot; sign = -1; }
            double wa = 1 - u, wb = u;
            if (dot <= 0.9995) // closer than that the chord is the arc, and the sine too small to divide by
            {
                double angle = Math.Acos(dot);
                wa = Math.Sin((1 - u) * angle) / Math.Sin(angle);
                wb = Math.Sin(u * angle) / Math.Sin(angle);
            }
            wb *= sign;
            double x = wa * a.X + wb * b.X, y = wa * a.Y + wb * b.Y, z = wa * a.Z + wb * b.Z, w = wa * a.W + wb * b.W;
            double norm = Math.Sqrt(x * x + y * y + z * z + w * w);
            return norm > 1e-9 ? new Quat(x / norm, y / norm, z / norm, w / norm) : Identity;
        }
    }

    /// <summary>One dancer: where the pelvis is [m] and the rotation of each joint, local to its parent. House axes.</summary>
    public sealed class Performer
    {
        public Vec3 Root;
        public Quat[] Rotations;
    }

    /// <summary>One pose of all dancers. House axes: right-handed, +Y up, +Z forward, +X the dancer's left.</summary>
    public sealed class Frame
    {
        public const int Freeze = 1, Blackout = 2, Panic = 4, Held = 8;
        const int HeaderBytes = 32;

        public uint Number;
        public double TimeS, SentS; // stream time [s]: when to be seen, when sent
        public uint Flags;
        public Performer[] Performers;

        public bool Visible { get { return (Flags & Blackout) == 0; } }
        public int Joints { get { return Performers.Length == 0 ? 0 : Performers[0].Rotations.Length; } }

        /// <summary>A binary message of the stage. Bytes after the last performer are left alone.</summary>
        /// <exception cref="FormatException">when it is no whole, finite pose</exception>
        public static Frame Decode(byte[] data, int length)
        {
            if (length < HeaderBytes) throw new FormatException(length + " bytes are no pose");
            if (data[0] != 'C' || data[1] != 'P' || data[2] != 'S' || data[3] != '1') throw new FormatException("no CPS1");
            int performers = (int)Unsigned(data, 24, 2), joints = (int)Unsigned(data, 26, 2);
            if (length < HeaderBytes + (long)performers * (12 + 16 * joints)) throw new FormatException("the pose is cut short");
            var frame = new Frame
            {
                Number = Unsigned(data, 4, 4),
                TimeS = Double(data, 8),
                SentS = Double(data, 16),
                Flags = Unsigned(data, 28, 4),
                Performers = new Performer[performers],
            };
            int at = HeaderBytes;
            for (int p = 0; p < performers; p++)
            {
                var body = new Performer { Root = new Vec3(Float(data, at), Float(data, at + 4), Float(data, at + 8)), Rotations = new Quat[joints] };
                at += 12;
                for (int j = 0; j < joints; j++, at += 16)
                    body.Rotations[j] = new Quat(Float(data, at), Float(data, at + 4), Float(data, at + 8), Float(data, at + 12));
                frame.Performers[p] = body;
            }
            return frame;
        }

        /// <summary>The pose at part u of the way from a to b, with the number and flags of a. Other bodies in b: a itself.</summary>
        public static Frame Between(Frame a, Frame b, double u)
        {
            if (u <= 0 || a.Performers.Length != b.Performers.Length || a.Joints != b.Joints) return a;
            var mixed = new Frame
            {
                Number = a.Number,
                Flags = a.Flags,
                TimeS = (1 - u) * a.TimeS + u * b.TimeS,
                SentS = (1 - u) * a.SentS + u * b.SentS,
                Performers = new Performer[a.Performers.Length],
            };
            for (int p = 0; p < mixed.Performers.Length; p++)
            {
                Performer from = a.Performers[p], to = b.Performers[p];
                var body = new Performer { Root = from.Root * (1 - u) + to.Root * u, Rotations = new Quat[from.Rotations.Length] };
                for (int j = 0; j < body.Rotations.Length; j++) body.Rotations[j] = Quat.Slerp(from.Rotations[j], to.Rotations[j], u);
                mixed.Performers[p] = body;
            }
            return mixed;
        }

        // BitConverter takes the byte order of the machine; the wire is little-endian on all of them.
        static uint Unsigned(byte[] data, int at, int bytes)
        {
            uint value = 0;
            for (int i = bytes - 1; i >= 0; i--) value = value << 8 | data[at + i];
            return value;
        }

        static double Double(byte[] data, int at)
        {
            long bits = (long)((ulong)Unsigned(data, at + 4, 4) << 32 | Unsigned(data, at, 4));
            return Finite(BitConverter.Int64BitsToDouble(bits));
        }

        static double Float(byte[] data, int at)
        {
            return Finite(BitConverter.IsLittleEndian ? BitConverter.ToSingle(data, at) : BitConverter.ToSingle(BitConverter.GetBytes(Unsigned(data, at, 4)), 0));
        }

        static double Finite(double value)
        {
            if (double.IsNaN(value) || double.IsInfinity(value)) throw new FormatException("a number of the pose is not finite");
            return value;
        }
    }

    /// <summary>The body: joint names, parents (-1 = none) and places in the parent's frame [m], house axes.</summary>
    public sealed class Skeleton
    {
        public string[] Names;
        public int[] Parents;
        public Vec3[] Offsets;

        /// <summary>The skeleton message, parsed. FormatException when it describes no body.</summary>
        public static Skeleton Decode(Dictionary<string, object> message)
        {
            List<object> names = Items(message, "names"), parents = Items(message, "parents"), offsets = Items(message, "offsets");
            if (names.Count != parents.Count || names.Count != offsets.Count) throw new FormatException("names, parents and offsets differ in length");
            var skeleton = new Skeleton { Names = new string[names.Count], Parents = new int[names.Count], Offsets = new Vec3[names.Count] };
            for (int j = 0; j < names.Count; j++)
            {
                var offset = offsets[j] as List<object>;
                if (!(names[j] is string) || !(parents[j] is double) || offset == null || offset.Count != 3) throw new FormatException("no joint: " + j);
                skeleton.Names[j] = (string)names[j];
                skeleton.Parents[j] = (int)(double)parents[j];
                if (skeleton.Parents[j] >= j) throw new FormatException("a joint stands before its parent");
                skeleton.Offsets[j] = new Vec3(Number(offset[0]), Number(offset[1]), Number(offset[2]));
            }
            return skeleton;
        }

        public bool Same(Skeleton other)
        {
            if (other == null || other.Names.Length != Names.Length) return false;
            for (int j = 0; j < Names.Length; j++)
                if (Names[j] != other.Names[j] || Parents[j] != other.Parents[j] || !Offsets[j].Equals(other.Offsets[j])) return false;
            return true;
        }

        /// <summary>Height of the pelvis above the lowest joint in the T-pose [m]: what root positions are scaled by.</summary>
        public double HipHeight()
        {
            double lowest = 0;
            var heights = new double[Names.Length];
            for (int j = 0; j < Names.Length; j++)
            {
                heights[j] = Parents[j] < 0 ? 0 : heights[Parents[j]] + Offsets[j].Y;
                lowest = Math.Min(lowest, heights[j]);
            }
            return -lowest;
        }

        /// <summary>Rotations of the joints against the T-pose in the dancer's space, from those local to the parents.</summary>
        public Quat[] Globals(Quat[] locals)
        {
            var globals = new Quat[Names.Length];
            for (int j = 0; j < Names.Length; j++) globals[j] = Parents[j] < 0 ? locals[j] : globals[Parents[j]] * locals[j];
            return globals;
        }

        /// <summary>Places of the joints [m], house axes.</summary>
        public Vec3[] Places(Performer body)
        {
            Quat[] turns = Globals(body.Rotations);
            var places = new Vec3[Names.Length];
            for (int j = 0; j < places.Length; j++)
                places[j] = Parents[j] < 0 ? body.Root : places[Parents[j]] + turns[Parents[j]].Rotate(Offsets[j]);
            return places;
        }

        static List<object> Items(Dictionary<string, object> message, string name)
        {
            object value;
            var items = message.TryGetValue(name, out value) ? value as List<object> : null;
            if (items == null) throw new FormatException("the skeleton has no " + name);
            return items;
        }

        static double Number(object value)
        {
            if (!(value is double)) throw new FormatException("an offset is no number");
            return (double)value;
        }
    }
}
