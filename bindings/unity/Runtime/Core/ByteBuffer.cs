using System;

namespace HeliosWorld
{
    /// <summary>Bytes that are appended and later sent; the array is used again.</summary>
    internal sealed class ByteBuffer
    {
        private const int MostKept = 1 << 20;

        public byte[] Data = new byte[1024];
        public int Count;

        public void Clear()
        {
            Count = 0;
            if (Data.Length > MostKept) Data = new byte[1024];
        }

        public void Add(byte value)
        {
            Reserve(1);
            Data[Count++] = value;
        }

        public void Add(byte[] source, int offset, int count)
        {
            Reserve(count);
            Buffer.BlockCopy(source, offset, Data, Count, count);
            Count += count;
        }

        /// <summary>Append a number of so many bytes, the highest first.</summary>
        public void AddBigEndian(ulong value, int bytes)
        {
            Reserve(bytes);
            for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) Data[Count++] = (byte)(value >> shift);
        }

        public void PutBigEndian(int at, ulong value)
        {
            for (int shift = 56; shift >= 0; shift -= 8) Data[at++] = (byte)(value >> shift);
        }

        public void Reserve(int count)
        {
            if ((long)Count + count > int.MaxValue / 2) throw new OutOfMemoryException("a message of more than 1 GiB");
            if (Count + count > Data.Length) Array.Resize(ref Data, Math.Max(2 * Data.Length, Count + count));
        }
    }
}
