namespace HeliosWorld
{
    /// <summary>
    /// Whether bytes are a header as the protocol allows it: one map with string keys, no key twice, nothing but nil,
    /// booleans, integers, finite floats, UTF-8 strings, arrays and maps; at most 256 entries, at most 16 deep.
    /// Allocates nothing, whatever lengths the bytes claim.
    /// </summary>
    internal sealed class MsgPackCheck
    {
        public const int MaxEntries = 256;
        public const int MaxDepth = 16;

        private readonly MsgPackReader reader = new MsgPackReader(null);
        private readonly int[] keyStarts = new int[MaxDepth * MaxEntries];
        private readonly int[] keyLengths = new int[MaxDepth * MaxEntries];
        private byte[] data;

        /// <summary>Returns if the header is allowed.</summary>
        /// <exception cref="WireException">it is not.</exception>
        public void Header(byte[] source, int offset, int count)
        {
            data = source;
            reader.Begin(source, offset, count);
            if (!IsMap(reader.Peek())) throw new WireException("the header is not a map");
            Value(0);
            if (!reader.IsAtEnd) throw new WireException("bytes after the header");
        }

        private void Value(int depth)
        {
            byte kind = reader.Peek();
            ulong raw;
            bool isNegative;
            if (IsMap(kind)) Map(depth);
            else if ((kind & 0xF0) == 0x90 || kind == 0xDC || kind == 0xDD) Array(depth);
            else if (kind == 0xCA || kind == 0xCB) reader.ReadNumber();
            else if ((kind & 0xE0) == 0xA0 || (kind >= 0xD9 && kind <= 0xDB)) String();
            else if (kind == 0xC0 || kind == 0xC2 || kind == 0xC3) reader.Next();
            else if (!reader.ReadInteger(reader.Next(), out raw, out isNegative)) throw new WireException("a forbidden type");
        }

        private void Array(int depth)
        {
            Descend(depth);
            int count = reader.ReadArray(MaxEntries);
            for (int i = 0; i < count; i++) Value(depth + 1);
        }

        private void Map(int depth)
        {
            Descend(depth);
            int count = reader.ReadMap();
            if (count > MaxEntries) throw new WireException("a map of " + count + " entries");
            for (int i = 0; i < count; i++)
            {
                Key(depth * MaxEntries, i);
                Value(depth + 1);
            }
        }

        private void Key(int first, int number)
        {
            int length = reader.ReadStringLength();
            int start = reader.Position;
            Text(length);
            for (int i = first; i < first + number; i++)
            {
                if (keyLengths[i] == length && IsSame(keyStarts[i], start, length)) throw new WireException("a key twice");
            }
            keyStarts[first + number] = start;
            keyLengths[first + number] = length;
        }

        private bool IsSame(int a, int b, int length)
        {
            for (int i = 0; i < length; i++)
            {
                if (data[a + i] != data[b + i]) return false;
            }
            return true;
        }

        private void String()
        {
            Text(reader.ReadStringLength());
        }

        private void Text(int length)
        {
            if (Utf8.Count(data, reader.Position, length) < 0) throw new WireException("a string is not UTF-8");
            reader.Take(length);
        }

        private static void Descend(int depth)
        {
            if (depth >= MaxDepth) throw new WireException("nested too deep");
        }

        private static bool IsMap(byte kind)
        {
            return (kind & 0xF0) == 0x80 || kind == 0xDE || kind == 0xDF;
        }
    }

    /// <summary>The known keys of a map; the first ones are those that must be there.</summary>
    internal sealed class KeyTable
    {
        private readonly byte[][] keys;
        private readonly int required;

        public KeyTable(int required, params string[] names)
        {
            this.required = (int)((1L << required) - 1);
            keys = System.Array.ConvertAll(names, name => Utf8.Strict.GetBytes(name));
        }

        public int Find(byte[] data, int offset, int count)
        {
            for (int i = 0; i < keys.Length; i++)
            {
                if (StringCache.IsEqual(keys[i], data, offset, count)) return i;
            }
            return -1;
        }

        /// <summary>Throws unless every required key was seen; <paramref name="seen"/> has a bit per key.</summary>
        public void Require(int seen)
        {
            if ((seen & required) != required) throw new WireException("a key is missing");
        }
    }
}
