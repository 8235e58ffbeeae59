using System;

namespace HeliosWorld
{
    /// <summary>Writes the part of msgpack that headers are made of.</summary>
    internal sealed class MsgPackWriter
    {
        public readonly ByteBuffer Out = new ByteBuffer();

        public void Map(int count)
        {
            if (count < 16) Out.Add((byte)(0x80 | count));
            else Number(0xDE, (ulong)count, 2);
        }

        public void Array(int count)
        {
            if (count < 16) Out.Add((byte)(0x90 | count));
            else Number(0xDC, (ulong)count, 2);
        }

        public void Nil()
        {
            Out.Add(0xC0);
        }

        public void Bool(bool value)
        {
            Out.Add(value ? (byte)0xC3 : (byte)0xC2);
        }

        public void Int(long value)
        {
            if (value >= 0) Unsigned((ulong)value);
            else if (value >= -32) Out.Add((byte)value);
            else if (value >= sbyte.MinValue) Number(0xD0, (ulong)value, 1);
            else if (value >= short.MinValue) Number(0xD1, (ulong)value, 2);
            else if (value >= int.MinValue) Number(0xD2, (ulong)value, 4);
            else Number(0xD3, (ulong)value, 8);
        }

        /// <summary>An integer of always 9 bytes, so that it can be changed in place; returns where its 8 bytes begin.</summary>
        public int WideInt(long value)
        {
            Number(0xCF, (ulong)value, 8);
            return Out.Count - 8;
        }

        public void Float(double value)
        {
            Number(0xCB, (ulong)BitConverter.DoubleToInt64Bits(value), 8);
        }

        /// <summary>Text without lone surrogates; null is nil.</summary>
        public void String(string value)
        {
            if (value == null)
            {
                Nil();
                return;
            }
            int count = Utf8.Strict.GetByteCount(value);
            if (count < 32) Out.Add((byte)(0xA0 | count));
            else if (count < 256) Number(0xD9, (ulong)count, 1);
            else if (count < 65536) Number(0xDA, (ulong)count, 2);
            else Number(0xDB, (ulong)count, 4);
            Out.Reserve(count);
            Out.Count += Utf8.Strict.GetBytes(value, 0, value.Length, Out.Data, Out.Count);
        }

        private void Unsigned(ulong value)
        {
            if (value < 0x80) Out.Add((byte)value);
            else if (value <= byte.MaxValue) Number(0xCC, value, 1);
            else if (value <= ushort.MaxValue) Number(0xCD, value, 2);
            else if (value <= uint.MaxValue) Number(0xCE, value, 4);
            else Number(0xCF, value, 8);
        }

        private void Number(byte kind, ulong value, int bytes)
        {
            Out.Add(kind);
            Out.AddBigEndian(value, bytes);
        }
    }
}
