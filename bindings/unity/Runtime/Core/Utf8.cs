using System.Text;

namespace HeliosWorld
{
    /// <summary>Strict UTF-8, and lengths in code points as the protocol counts them.</summary>
    internal static class Utf8
    {
        public static readonly Encoding Strict = new UTF8Encoding(false, true);

        /// <summary>The number of code points, or -1 for bytes that are not UTF-8.</summary>
        public static int Count(byte[] data, int offset, int count)
        {
            int end = offset + count, points = 0;
            while (offset < end)
            {
                int length = Length(data, offset, end);
                if (length == 0) return -1;
                offset += length;
                points++;
            }
            return points;
        }

        /// <summary>The number of code points of a string, or -1 if a surrogate stands alone.</summary>
        public static int Count(string text)
        {
            int points = 0;
            for (int i = 0; i < text.Length; i++, points++)
            {
                if (!char.IsSurrogate(text[i])) continue;
                if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1])) return -1;
                i++;
            }
            return points;
        }

        private static int Length(byte[] data, int at, int end)
        {
            int first = data[at];
            if (first < 0x80) return 1;
            if (first < 0xC2 || first > 0xF4) return 0;
            int length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
            if (at + length > end) return 0;
            for (int i = 1; i < length; i++)
            {
                if ((data[at + i] & 0xC0) != 0x80) return 0;
            }
            return IsShortest(first, data[at + 1]) ? length : 0;
        }

        // Refuses what a shorter form could say, surrogates, and numbers above U+10FFFF.
        private static bool IsShortest(int first, int second)
        {
            if (first == 0xE0) return second >= 0xA0;
            if (first == 0xED) return second < 0xA0;
            if (first == 0xF0) return second >= 0x90;
            return first != 0xF4 || second < 0x90;
        }
    }
}
