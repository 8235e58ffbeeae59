namespace HeliosWorld
{
    /// <summary>One multipart message as it came: prefix, header, buffers of the pool. Used again for the next one.</summary>
    internal sealed class ZmtpMessage
    {
        public const int MaxHeader = 65536;
        public const int MaxBuffers = 8;
        public const long MaxBytes = (1L << 28) + (1L << 20);
        public const int PrefixBytes = 4;

        public readonly byte[] Prefix = new byte[PrefixBytes];
        public readonly byte[] Header = new byte[MaxHeader];
        public readonly byte[][] Buffers = new byte[MaxBuffers][];
        public readonly int[] Lengths = new int[MaxBuffers];
        public int HeaderLength;

        /// <summary>Parts so far.</summary>
        public int Parts;

        /// <summary>Of all parts.</summary>
        public long Bytes;

        /// <summary>It breaks the limits: the rest of it is passed over, and it is dropped.</summary>
        public bool IsUnreadable;

        private readonly FramePool pool;

        public ZmtpMessage(FramePool pool)
        {
            this.pool = pool;
        }

        public int BufferCount
        {
            get { return Parts <= 2 ? 0 : Parts - 2; }
        }

        /// <summary>The buffer now belongs to the caller.</summary>
        public byte[] Take(int index)
        {
            byte[] buffer = Buffers[index];
            Buffers[index] = null;
            return buffer;
        }

        public void Clear()
        {
            for (int i = 0; i < MaxBuffers; i++) pool.Return(Take(i));
            Parts = HeaderLength = 0;
            Bytes = 0;
            IsUnreadable = false;
        }
    }
}
