using System;

namespace HeliosWorld
{
    /// <summary>Reads the size that a JPEG file claims, so that no decoder allocates for a size that nobody asked for.</summary>
    static class JpegHeader
    {
        /// <summary>False if there is no readable frame header.</summary>
        public static bool TryReadSize(byte[] data, int offset, int count, out int width, out int height)
        {
            width = height = 0;
            int at = offset + 2, end = offset + count;
            if (count < 4 || data[offset] != 0xFF || data[offset + 1] != 0xD8) return false;
            while (at + 9 <= end && data[at] == 0xFF)
            {
                int marker = data[at + 1];
                if (IsFrame(marker))
                {
                    height = Word(data, at + 5);
                    width = Word(data, at + 7);
                    return true;
                }
                int length = Word(data, at + 2);
                if (length < 2) return false;
                at += 2 + length;
            }
            return false;
        }

        // C4, C8 and CC lie among the frame headers and are none.
        static bool IsFrame(int marker)
        {
            return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
        }

        static int Word(byte[] data, int at) { return data[at] << 8 | data[at + 1]; }
    }
}
