namespace HeliosWorld
{
    /// <summary>Writes messages as ZMTP frames: prefix, header, at most one buffer.</summary>
    internal sealed class MessageWriter
    {
        private static readonly byte[] Prefix = { (byte)'H', (byte)'W', 1, 0 };
        private const int More = 1, Long = 2;

        /// <summary>The header that is being written.</summary>
        public readonly MsgPackWriter Header = new MsgPackWriter();

        /// <summary>Begin a header of so many keys besides the type.</summary>
        public MsgPackWriter Begin(string type, int keys)
        {
            Header.Out.Clear();
            Header.Map(1 + keys);
            Header.String("t");
            Header.String(type);
            return Header;
        }

        /// <summary>Append the message to <paramref name="target"/>; returns where the header begins in it.</summary>
        public int End(ByteBuffer target, byte[] payload = null)
        {
            if (Header.Out.Count > ZmtpMessage.MaxHeader)
                throw new HeliosException("too_large", "a header of " + Header.Out.Count + " bytes; at most 65536 are allowed", false);
            Frame(target, Prefix, Prefix.Length, true);
            int at = Frame(target, Header.Out.Data, Header.Out.Count, payload != null);
            if (payload != null) Frame(target, payload, payload.Length, false);
            return at;
        }

        private static int Frame(ByteBuffer target, byte[] data, int count, bool more)
        {
            int flags = more ? More : 0;
            if (count < 256)
            {
                target.Add((byte)flags);
                target.Add((byte)count);
            }
            else
            {
                target.Add((byte)(flags | Long));
                target.AddBigEndian((ulong)count, 8);
            }
            int at = target.Count;
            target.Add(data, 0, count);
            return at;
        }
    }
}
