using System.Collections.Generic;

namespace HeliosWorld
{
    /// <summary>Byte arrays that are used again, so that a steady stream of frames allocates nothing. Any thread.</summary>
    public sealed class FramePool
    {
        private const int MostKept = 32;
        private const long MostBytesKept = 256L << 20;
        private const int Least = 1024;

        private readonly object gate = new object();
        private readonly List<byte[]> free = new List<byte[]>(MostKept + 1);
        private long keptBytes;
        private long allocated;

        /// <summary>How many arrays had to be allocated so far.</summary>
        public long Allocated
        {
            get { lock (gate) return allocated; }
        }

        /// <summary>Bytes of the arrays that wait to be used again.</summary>
        public long KeptBytes
        {
            get { lock (gate) return keptBytes; }
        }

        /// <summary>An array of at least that many bytes; what is in it is undefined.</summary>
        public byte[] Rent(int length)
        {
            byte[] found = RentKept(length);
            if (found != null) return found;
            lock (gate) allocated++;
            return new byte[Rounded(length)];
        }

        /// <summary>An array of at least that many bytes if one is at hand, otherwise null.</summary>
        public byte[] RentKept(int length)
        {
            lock (gate)
            {
                int best = -1;
                for (int i = 0; i < free.Count; i++)
                {
                    if (free[i].Length < length || free[i].Length / 4 > Rounded(length)) continue;
                    if (best < 0 || free[i].Length < free[best].Length) best = i;
                }
                return best < 0 ? null : Remove(best);
            }
        }

        /// <summary>Give an array back; it must not be used afterwards.</summary>
        public void Return(byte[] buffer)
        {
            if (buffer == null || buffer.Length < Least || buffer.Length > MostBytesKept) return;
            lock (gate)
            {
                free.Add(buffer);
                keptBytes += buffer.Length;
                // The oldest go: sizes that are no longer asked for must not fill the pool.
                while (free.Count > MostKept || keptBytes > MostBytesKept) Remove(0);
            }
        }

        private byte[] Remove(int index)
        {
            byte[] buffer = free[index];
            free.RemoveAt(index);
            keptBytes -= buffer.Length;
            return buffer;
        }

        // Steps of a quarter of a power of two: sizes that differ a little share arrays, and little is wasted.
        private static int Rounded(int length)
        {
            int step = Least / 4;
            while (step < length / 8) step *= 2;
            long rounded = ((long)length + step - 1) / step * step;
            return (int)(rounded < Least ? Least : rounded);
        }
    }
}
