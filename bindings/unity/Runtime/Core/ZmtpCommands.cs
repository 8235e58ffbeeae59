using System;
using System.Text;

namespace HeliosWorld
{
    /// <summary>The first 64 bytes of a ZMTP connection.</summary>
    internal static class ZmtpGreeting
    {
        private const int VersionAt = 10, MechanismAt = 12, MechanismBytes = 20;

        public static void Check(byte[] greeting, int count)
        {
            bool isSigned = greeting[0] == 0xFF && (count < VersionAt || greeting[9] == 0x7F);
            if (!isSigned) throw new WireException("the server does not speak ZMTP; is it a helios-world server?");
            if (count > VersionAt && greeting[VersionAt] < 3)
                throw new WireException("the server speaks ZMTP " + greeting[VersionAt] + "; this client needs 3");
            if (count >= MechanismAt + MechanismBytes) CheckMechanism(greeting);
        }

        public static void Write(ByteBuffer target)
        {
            target.Add(0xFF);
            target.AddBigEndian(0, 8);
            target.Add(0x7F);
            target.Add(3);
            target.Add(0);
            foreach (char letter in "NULL") target.Add((byte)letter);
            while (target.Count % 64 != 0) target.Add(0);
        }

        private static void CheckMechanism(byte[] greeting)
        {
            string name = Encoding.ASCII.GetString(greeting, MechanismAt, MechanismBytes).TrimEnd('\0');
            if (name == "NULL") return;
            string hint = name == "CURVE" ? "; start the server without keys, and reach it through an SSH tunnel" : "";
            throw new WireException("the server wants the mechanism '" + name + "'; this client speaks NULL only" + hint);
        }
    }

    /// <summary>The commands of a ZMTP connection.</summary>
    internal sealed class ZmtpCommands
    {
        private readonly IZmtpSink sink;

        public ZmtpCommands(IZmtpSink sink)
        {
            this.sink = sink;
        }

        /// <summary>READY has come.</summary>
        public bool IsReady { get; private set; }

        public void Reset()
        {
            IsReady = false;
        }

        public void Take(byte[] data, int count)
        {
            if (count < 1 || 1 + data[0] > count) throw new WireException("broken ZMTP: a command without a name");
            int after = 1 + data[0];
            if (IsNamed(data, "ERROR")) throw new WireException("the server refuses the connection: " + Reason(data, after, count));
            if (!IsReady)
            {
                if (!IsNamed(data, "READY")) throw new WireException("broken ZMTP: a command before READY");
                CheckPeer(data, after, count);
                IsReady = true;
                sink.OnReady();
            }
            else if (IsNamed(data, "PING"))
            {
                if (count < after + 2 || count > after + 18) throw new WireException("broken ZMTP: a PING of " + count + " bytes");
                sink.OnPing(data, after + 2, count - after - 2);
            }
        }

        public static void WriteReady(ByteBuffer target)
        {
            const string key = "Socket-Type", value = "DEALER";
            target.Add(4);
            target.Add((byte)(6 + 1 + key.Length + 4 + value.Length));
            Name(target, "READY");
            Name(target, key);
            target.AddBigEndian((ulong)value.Length, 4);
            foreach (char letter in value) target.Add((byte)letter);
        }

        public static void WritePong(ByteBuffer target, byte[] context, int offset, int count)
        {
            target.Add(4);
            target.Add((byte)(5 + count));
            Name(target, "PONG");
            target.Add(context, offset, count);
        }

        private static void Name(ByteBuffer target, string name)
        {
            target.Add((byte)name.Length);
            foreach (char letter in name) target.Add((byte)letter);
        }

        private static bool IsNamed(byte[] data, string name)
        {
            if (data[0] != name.Length) return false;
            for (int i = 0; i < name.Length; i++)
            {
                if (data[1 + i] != name[i]) return false;
            }
            return true;
        }

        private static string Reason(byte[] data, int at, int count)
        {
            if (at >= count) return "no reason given";
            return Encoding.ASCII.GetString(data, at + 1, Math.Min(data[at], count - at - 1));
        }

        private static void CheckPeer(byte[] data, int at, int count)
        {
            string type = null;
            while (at < count)
            {
                int name = data[at++];
                if (at + name + 4 > count) throw new WireException("broken ZMTP: READY");
                string key = Encoding.ASCII.GetString(data, at, name);
                at += name;
                long size = (long)data[at] << 24 | (long)data[at + 1] << 16 | (long)data[at + 2] << 8 | data[at + 3];
                at += 4;
                if (size > count - at) throw new WireException("broken ZMTP: READY");
                if (string.Equals(key, "Socket-Type", StringComparison.OrdinalIgnoreCase))
                    type = Encoding.ASCII.GetString(data, at, (int)size);
                at += (int)size;
            }
            if (type != "ROUTER" && type != "DEALER" && type != "REP")
                throw new WireException("the server's socket is a " + (type ?? "nameless one") + ", not a ROUTER");
        }
    }
}
