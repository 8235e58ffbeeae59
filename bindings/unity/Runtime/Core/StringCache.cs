using System;

namespace HeliosWorld
{
    /// <summary>Strings by their UTF-8 bytes: names and prompts that come with every chunk are made only once.</summary>
    internal sealed class StringCache
    {
        private const int Slots = 512;

        private readonly byte[][] keys = new byte[Slots][];
        private readonly string[] values = new string[Slots];

        /// <summary>The string of these bytes, which are valid UTF-8. A collision replaces the older entry.</summary>
        public string Get(byte[] data, int offset, int count)
        {
            if (count == 0) return "";
            uint slot = Hash(data, offset, count) % Slots;
            if (IsEqual(keys[slot], data, offset, count)) return values[slot];
            byte[] key = new byte[count];
            Buffer.BlockCopy(data, offset, key, 0, count);
            keys[slot] = key;
            values[slot] = Utf8.Strict.GetString(data, offset, count);
            return values[slot];
        }

        internal static bool IsEqual(byte[] key, byte[] data, int offset, int count)
        {
            if (key == null || key.Length != count) return false;
            for (int i = 0; i < count; i++)
            {
                if (key[i] != data[offset + i]) return false;
            }
            return true;
        }

        private static uint Hash(byte[] data, int offset, int count)
        {
            uint hash = 2166136261;
            for (int i = 0; i < count; i++) hash = unchecked((hash ^ data[offset + i]) * 16777619);
            return hash;
        }
    }
}
