using System;
using System.Collections.Generic;
using NUnit.Framework;

namespace HeliosWorld.Tests
{
    /// <summary>Headers: what is taken, and what is refused.</summary>
    [TestFixture]
    public class MsgPackTests
    {
        [TestCase("", "nothing")]
        [TestCase("90", "no map")]
        [TestCase("81A161", "no value")]
        [TestCase("8001", "bytes after it")]
        [TestCase("810102", "a key that is no string")]
        [TestCase("82A16101A16102", "a key twice")]
        [TestCase("81A161C400", "bin")]
        [TestCase("81A161D40000", "ext")]
        [TestCase("81A161C1", "a type that does not exist")]
        [TestCase("81A161A1FF", "no UTF-8")]
        [TestCase("81A161A2C080", "overlong UTF-8")]
        [TestCase("81A161A3EDA080", "a surrogate")]
        [TestCase("81A161CB7FF8000000000000", "NaN")]
        [TestCase("81A161CA7F800000", "infinity")]
        [TestCase("81A161DC0101", "an array of 257")]
        [TestCase("81A161DDFFFFFFFF", "an array of 2^32")]
        [TestCase("DFFFFFFFFF", "a map of 2^32")]
        [TestCase("81A161DBFFFFFFFF61", "a string of 4 GiB")]
        public void IsRefused(string hex, string what)
        {
            byte[] header = Hex(hex);
            Assert.Throws<WireException>(() => new MsgPackCheck().Header(header, 0, header.Length), what);
        }

        [Test]
        public void DepthIsBounded()
        {
            Assert.DoesNotThrow(() => Check(Nested(MsgPackCheck.MaxDepth - 1)));
            Assert.Throws<WireException>(() => Check(Nested(MsgPackCheck.MaxDepth)));
            Assert.Throws<WireException>(() => Check(Nested(60000)));
        }

        [Test]
        public void EveryFormOfAnIntegerIsTaken()
        {
            foreach (string hex in new[] { "05", "CC05", "CD0005", "CE00000005", "CF0000000000000005", "D005", "D10005", "D200000005", "D30000000000000005" })
                Assert.AreEqual(5, Reader(hex).ReadInt(0, 10), hex);
            foreach (string hex in new[] { "FB", "D0FB", "D1FFFB", "D2FFFFFFFB", "D3FFFFFFFFFFFFFFFB" })
                Assert.AreEqual(-5, Reader(hex).ReadInt(-10, 10), hex);
            Assert.AreEqual(3.0, Reader("03").ReadFloat());
            Assert.AreEqual(1.5, Reader("CA3FC00000").ReadFloat());
            Assert.Throws<WireException>(() => Reader("CB3FF0000000000000").ReadInt(0, 10));
            Assert.Throws<WireException>(() => Reader("C3").ReadInt(0, 10));
            Assert.Throws<WireException>(() => Reader("CFFFFFFFFFFFFFFFFF").ReadInt(long.MinValue, long.MaxValue));
        }

        [Test]
        public void RandomValuesComeBack()
        {
            var random = new Random(7);
            for (int i = 0; i < 500; i++)
            {
                var map = new Dictionary<string, object> { { "v", Value(random, 4) } };
                Assert.AreEqual(Values.Canonical(map), Values.Canonical(Values.Unpack(Values.Pack(map))));
            }
        }

        [Test]
        public void RandomBytesAreRefusedOrRead()
        {
            var random = new Random(8);
            for (int i = 0; i < 20000; i++)
            {
                byte[] header = Values.Pack(new Dictionary<string, object> { { "v", Value(random, 3) } });
                for (int k = random.Next(4); k >= 0; k--) header[random.Next(header.Length)] = (byte)random.Next(256);
                try
                {
                    Values.Unpack(header);
                }
                catch (WireException)
                {
                }
            }
        }

        internal static byte[] Hex(string hex)
        {
            var bytes = new byte[hex.Length / 2];
            for (int i = 0; i < bytes.Length; i++) bytes[i] = Convert.ToByte(hex.Substring(2 * i, 2), 16);
            return bytes;
        }

        private static void Check(byte[] header)
        {
            new MsgPackCheck().Header(header, 0, header.Length);
        }

        private static byte[] Nested(int arrays)
        {
            var bytes = new byte[3 + arrays + 1];
            bytes[0] = 0x81;
            bytes[1] = 0xA1;
            bytes[2] = 0x61;
            for (int i = 0; i < arrays; i++) bytes[3 + i] = 0x91;
            return bytes;
        }

        private static MsgPackReader Reader(string hex)
        {
            byte[] bytes = Hex(hex);
            var reader = new MsgPackReader(new StringCache());
            reader.Begin(bytes, 0, bytes.Length);
            return reader;
        }

        private static object Value(Random random, int depth)
        {
            switch (random.Next(depth > 0 ? 7 : 5))
            {
                case 0: return null;
                case 1: return random.Next(2) == 0;
                case 2: return (long)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(64)));
                case 3: return (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-30, 30));
                case 4: return new string((char)random.Next(0x20, 0xD000), random.Next(300));
                case 5:
                    var list = new List<object>();
                    for (int i = random.Next(20); i > 0; i--) list.Add(Value(random, depth - 1));
                    return list;
                default:
                    var map = new Dictionary<string, object>();
                    for (int i = random.Next(20); i > 0; i--) map["k" + i] = Value(random, depth - 1);
                    return map;
            }
        }
    }
}
