// Drives the Unity package's plain C# and prints one JSON line per event (tests/client_kits.py says which).
//   KitProgram.exe recording FILE | KitProgram.exe live URL | KitProgram.exe places FILE | KitProgram.exe bones
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using Corybant;

static class KitProgram
{
    static string N(double value) { return value.ToString("R", CultureInfo.InvariantCulture); }
    static string V(Vec3 v) { return "[" + N(v.X) + "," + N(v.Y) + "," + N(v.Z) + "]"; }
    static string Q(Quat q) { return "[" + N(q.X) + "," + N(q.Y) + "," + N(q.Z) + "," + N(q.W) + "]"; }

    static string Body(Performer body)
    {
        return "{\"root\":" + V(body.Root) + ",\"rotations\":[" + string.Join(",", body.Rotations.Select(Q)) + "],\"target_root\":" + V(body.Root.ToUnity())
            + ",\"target_rotations\":[" + string.Join(",", body.Rotations.Select(q => Q(q.ToUnity()))) + "]}";
    }

    static void SayBones()
    {
        Console.Out.WriteLine("{\"kind\":\"bones\",\"of\":{" + string.Join(",", HumanBones.OfJoint.Select(b => "\"" + b.Key + "\":\"" + b.Value + "\"")) + "}}");
    }

    static void SayPlaces(Skeleton skeleton, Frame frame)
    {
        Console.Out.WriteLine("{\"kind\":\"places\",\"hip_height\":" + N(skeleton.HipHeight()) + ",\"frame\":" + frame.Number + ",\"places\":["
            + string.Join(",", skeleton.Places(frame.Performers[0]).Select(v => V(v.ToUnity()))) + "]}");
    }

    static void Say(string kind, Frame frame)
    {
        string text = frame == null ? "{\"kind\":\"" + (kind == "pose" ? "refused" : "nothing") + "\"}"
            : "{\"kind\":\"" + kind + "\",\"frame\":" + frame.Number + ",\"time_s\":" + N(frame.TimeS) + ",\"sent_s\":" + N(frame.SentS) + ",\"flags\":" + frame.Flags
                + ",\"performers\":[" + string.Join(",", frame.Performers.Select(Body)) + "]}";
        Console.Out.WriteLine(text);
    }

    static void SaySkeleton(Skeleton skeleton, int count)
    {
        Console.Out.WriteLine("{\"kind\":\"skeleton\",\"count\":" + count + ",\"names\":[" + string.Join(",", skeleton.Names.Select(name => "\"" + name + "\"")) + "]}");
    }

    static void Recording(string path, bool places)
    {
        var receiver = new Receiver(0.05);
        using (var file = new BinaryReader(File.OpenRead(path)))
            while (file.BaseStream.Position < file.BaseStream.Length)
            {
                double nowS = file.ReadDouble();
                uint kind = file.ReadUInt32();
                byte[] data = file.ReadBytes((int)file.ReadUInt32());
                if (kind == 1)
                {
                    int refused = receiver.Refused;
                    receiver.Text(Encoding.UTF8.GetString(data));
                    if (receiver.Refused > refused) Say("pose", null);
                    else SaySkeleton(receiver.Skeleton, receiver.Skeletons);
                }
                else if (kind == 2)
                {
                    Frame frame = receiver.Binary(data, data.Length, nowS);
                    if (!places) Say("pose", frame);
                    else if (frame != null) SayPlaces(receiver.Skeleton, frame);
                }
                else Say("shown", receiver.Buffer.At(nowS));
            }
    }

    static void Live(string url)
    {
        var said = new object();
        using (var connection = new StageConnection(url, 0.05))
        {
            connection.Heard += frame => { lock (said) Say("pose", frame); };
            connection.Start();
            for (int known = 0; ; Thread.Sleep(20))
            {
                Skeleton skeleton;
                int count;
                Frame shown = connection.Shown(out skeleton, out count);
                lock (said)
                {
                    if (count != known) SaySkeleton(skeleton, count);
                    known = count;
                    if (shown != null) Say("shown", shown);
                    Console.Out.Flush();
                }
            }
        }
    }

    static void Main(string[] arguments)
    {
        if (arguments[0] == "recording") Recording(arguments[1], false);
        else if (arguments[0] == "places") Recording(arguments[1], true);
        else if (arguments[0] == "bones") SayBones();
        else Live(arguments[1]);
        Console.Out.Flush();
    }
}
