using System.Collections.Generic;
using System.Text;

namespace HeliosWorld.Tests
{
    /// <summary>What a server's side of a connection looks like.</summary>
    internal static class Streams
    {
        public static byte[] Of(params IList<byte[]>[] messages)
        {
            var stream = new ByteBuffer();
            Handshake(stream);
            foreach (IList<byte[]> parts in messages) Add(stream, parts);
            return Bytes(stream);
        }

        public static byte[] Bytes(ByteBuffer buffer)
        {
            var bytes = new byte[buffer.Count];
            System.Buffer.BlockCopy(buffer.Data, 0, bytes, 0, bytes.Length);
            return bytes;
        }

        public static void Handshake(ByteBuffer stream)
        {
            ZmtpGreeting.Write(stream);
            Frame(stream, 4, Encoding.ASCII.GetBytes("\u0005READY\u000bSocket-Type\u0000\u0000\u0000\u0006ROUTER"));
        }

        public static void Add(ByteBuffer stream, IList<byte[]> parts)
        {
            for (int i = 0; i < parts.Count; i++) Frame(stream, i + 1 < parts.Count ? 1 : 0, parts[i]);
        }

        public static void Frame(ByteBuffer stream, int flags, byte[] body)
        {
            stream.Add((byte)(body.Length > 255 ? flags | 2 : flags));
            stream.AddBigEndian((ulong)body.Length, body.Length > 255 ? 8 : 1);
            stream.Add(body, 0, body.Length);
        }
    }

    /// <summary>Remembers what a parser tells.</summary>
    internal sealed class Collector : IZmtpSink
    {
        public readonly StringBuilder Log = new StringBuilder();
        public int Count, Unreadable;

        public void OnGreeting()
        {
            Log.Append("greeting;");
        }

        public void OnReady()
        {
            Log.Append("ready;");
        }

        public void OnPing(byte[] data, int offset, int count)
        {
            Log.Append("ping ").Append(count).Append(';');
        }

        public void OnMessage(ZmtpMessage message)
        {
            Count++;
            if (message.IsUnreadable) Unreadable++;
            Log.Append("message ").Append(message.Parts).Append(':').Append(message.HeaderLength);
            for (int i = 0; i < message.BufferCount; i++)
            {
                long sum = 0;
                for (int k = 0; k < message.Lengths[i] && message.Buffers[i] != null; k++) sum = sum * 31 + message.Buffers[i][k];
                Log.Append(' ').Append(message.Lengths[i]).Append('#').Append(sum);
            }
            Log.Append(';');
        }
    }
}
