using System;

namespace HeliosWorld
{
    /// <summary>
    /// Reads the values of a header one after the other. Bytes from outside go through <see cref="MsgPackCheck"/> first;
    /// a value of another type or out of range is a WireException.
    /// </summary>
    internal sealed class MsgPackReader
    {
        internal const long MaxCount = (1L << 53) - 1;

        private readonly StringCache strings;
        private byte[] data;
        private int at, end;

        public MsgPackReader(StringCache strings)
        {
            this.strings = strings;
        }

        public int Position
        {
            get { return at; }
            set { at = value; }
        }

        public void Begin(byte[] source, int offset, int count)
        {
            data = source;
            at = offset;
            end = offset + count;
        }

        public bool IsAtEnd
        {
            get { return at == end; }
        }

        public int ReadMap()
        {
            byte kind = Next();
            if ((kind & 0xF0) == 0x80) return kind & 0x0F;
            if (kind == 0xDE) return (int)Unsigned(2);
            if (kind == 0xDF) return Length(Unsigned(4));
            throw new WireException("a map is missing");
        }

        public int ReadArray(int most)
        {
            byte kind = Next();
            int count = (kind & 0xF0) == 0x90 ? kind & 0x0F
                : kind == 0xDC ? (int)Unsigned(2)
                : kind == 0xDD ? Length(Unsigned(4)) : -1;
            if (count < 0 || count > most) throw new WireException("an array of at most " + most + " is missing");
            return count;
        }

        public bool TryNil()
        {
            if (at >= end || data[at] != 0xC0) return false;
            at++;
            return true;
        }

        public bool ReadBool()
        {
            byte kind = Next();
            if (kind != 0xC2 && kind != 0xC3) throw new WireException("a boolean is missing");
            return kind == 0xC3;
        }

        public long ReadInt(long low, long high)
        {
            byte kind = Next();
            ulong raw;
            bool isNegative;
            if (!ReadInteger(kind, out raw, out isNegative)) throw new WireException("an integer is missing");
            long value = (long)raw;
            bool fits = isNegative || raw <= long.MaxValue;
            if (!fits || value < low || value > high)
                throw new WireException("an integer is not from " + low + " to " + high);
            return value;
        }

        public long ReadCount()
        {
            return ReadInt(0, MaxCount);
        }

        public long ReadSeq()
        {
            return ReadInt(1, MaxCount);
        }

        public double ReadFloat(double low, double high)
        {
            double value = ReadNumber();
            if (!(value >= low && value <= high)) throw new WireException("a number is out of range");
            return value;
        }

        public double ReadFloat()
        {
            return ReadFloat(double.MinValue, double.MaxValue);
        }

        /// <summary>A number from 0 on.</summary>
        public double ReadDuration()
        {
            return ReadFloat(0, double.MaxValue);
        }

        /// <summary>A string of so many code points.</summary>
        public string ReadString(int least, int most)
        {
            int count = ReadStringLength();
            int points = Utf8.Count(data, at, count);
            if (points < least || points > most) throw new WireException("a string is not of the right length");
            string text = strings.Get(data, at, count);
            at += count;
            return text;
        }

        /// <summary>A string of that many digits 0-9a-f.</summary>
        public string ReadHex(int digits)
        {
            string text = ReadString(digits, digits);
            foreach (char digit in text)
            {
                if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f')) throw new WireException("not hexadecimal");
            }
            return text;
        }

        /// <summary>The number of the next key in the table, or -1 for an unknown one.</summary>
        public int ReadKey(KeyTable table)
        {
            int count = ReadStringLength();
            int index = table.Find(data, at, count);
            at += count;
            return index;
        }

        /// <summary>Pass over one value of any type, which has been checked.</summary>
        public void Skip()
        {
            for (long left = 1; left > 0; left--)
            {
                byte kind = Next();
                ulong raw;
                bool isNegative;
                if (kind == 0xC0 || kind == 0xC2 || kind == 0xC3 || ReadInteger(kind, out raw, out isNegative)) continue;
                at--;
                if (kind == 0xCA || kind == 0xCB) ReadNumber();
                else if ((kind & 0xF0) == 0x80 || kind == 0xDE || kind == 0xDF) left += 2L * ReadMap();
                else if ((kind & 0xF0) == 0x90 || kind == 0xDC || kind == 0xDD) left += ReadArray(int.MaxValue);
                else Take(ReadStringLength());
            }
        }

        internal int ReadStringLength()
        {
            byte kind = Next();
            int count = (kind & 0xE0) == 0xA0 ? kind & 0x1F
                : kind == 0xD9 ? (int)Unsigned(1)
                : kind == 0xDA ? (int)Unsigned(2)
                : kind == 0xDB ? Length(Unsigned(4)) : -1;
            if (count < 0) throw new WireException("a string is missing");
            if (count > end - at) throw new WireException("a string goes beyond the end");
            return count;
        }

        internal void Take(int count)
        {
            if (count > end - at) throw new WireException("the header ends too early");
            at += count;
        }

        internal byte Next()
        {
            if (at >= end) throw new WireException("the header ends too early");
            return data[at++];
        }

        internal byte Peek()
        {
            if (at >= end) throw new WireException("the header ends too early");
            return data[at];
        }

        internal double ReadNumber()
        {
            byte kind = Next();
            ulong raw;
            bool isNegative;
            if (ReadInteger(kind, out raw, out isNegative)) return isNegative ? (long)raw : (double)raw;
            double value;
            if (kind == 0xCB) value = BitConverter.Int64BitsToDouble((long)Unsigned(8));
            else if (kind == 0xCA) value = Single((uint)Unsigned(4));
            else throw new WireException("a number is missing");
            if (double.IsNaN(value) || double.IsInfinity(value)) throw new WireException("a number is not finite");
            return value;
        }

        internal bool ReadInteger(byte kind, out ulong raw, out bool isNegative)
        {
            raw = kind;
            isNegative = kind >= 0xE0;
            if (isNegative) raw = (ulong)(sbyte)kind;
            if (kind < 0x80 || isNegative) return true;
            if (kind >= 0xCC && kind <= 0xCF)
            {
                raw = Unsigned(1 << (kind - 0xCC));
                return true;
            }
            if (kind < 0xD0 || kind > 0xD3) return false;
            int bytes = 1 << (kind - 0xD0);
            int shift = 64 - 8 * bytes;
            long value = (long)(Unsigned(bytes) << shift) >> shift;
            raw = (ulong)value;
            isNegative = value < 0;
            return true;
        }

        private ulong Unsigned(int bytes)
        {
            if (bytes > end - at) throw new WireException("the header ends too early");
            ulong value = 0;
            for (int i = 0; i < bytes; i++) value = value << 8 | data[at++];
            return value;
        }

        private static int Length(ulong value)
        {
            if (value > int.MaxValue) throw new WireException("a length of " + value);
            return (int)value;
        }

        private readonly byte[] single = new byte[4];

        private float Single(uint bits)
        {
            for (int i = 0; i < 4; i++) single[BitConverter.IsLittleEndian ? i : 3 - i] = (byte)(bits >> (8 * i));
            return BitConverter.ToSingle(single, 0);
        }
    }
}
