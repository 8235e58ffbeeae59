using System;
using System.Collections.Generic;
using NUnit.Framework;

namespace HeliosWorld.Tests
{
    /// <summary>ZMTP streams in pieces, and broken ones.</summary>
    [TestFixture]
    public class ZmtpTests
    {
        [Test]
        public void PiecesOfAnySizeGiveTheSame()
        {
            byte[] stream = Sample();
            string whole = Parse(stream, stream.Length);
            Assert.IsTrue(whole.StartsWith("greeting;ready;message 3:", StringComparison.Ordinal), whole);
            Assert.IsTrue(whole.Contains("ping 3;"), whole);
            for (int size = 1; size < 400; size++) Assert.AreEqual(whole, Parse(stream, size), "pieces of " + size);
            Assert.AreEqual(whole, ParseDirect(stream));
        }

        [Test]
        public void LengthsAreComparedBeforeMemoryIsTaken()
        {
            foreach (string length in new[] { "0000010000000000", "FFFFFFFFFFFFFFFF", "8000000000000000", "0000000010100001" })
            {
                var pool = new FramePool();
                byte[] bad = MsgPackTests.Hex("02" + length);
                Assert.Throws<WireException>(() => Feed(pool, Prefixed(bad)), length);
                Assert.AreEqual(0, pool.Allocated);
            }
        }

        [Test]
        public void WhatIsOnlyClaimedTakesLittleMemory()
        {
            long before = GC.GetTotalMemory(true);
            var pool = new FramePool();
            byte[] start = Prefixed(MsgPackTests.Hex("01044857010001018002000000000F000000"));
            var parser = new ZmtpParser(pool, new Collector());
            parser.Feed(start, 0, start.Length);
            Assert.IsTrue(GC.GetTotalMemory(false) - before < 16 << 20);
            Assert.AreEqual(1, pool.Allocated);
            GC.KeepAlive(parser);
        }

        [TestCase("FF00000000000000017F02014E554C4C", "ZMTP 2")]
        [TestCase("485454502F312E3120343030", "HTTP")]
        [TestCase("FF00000000000000017F03014355525645000000000000000000000000000000", "CURVE")]
        public void AnotherGreetingIsRefused(string hex, string what)
        {
            byte[] bytes = MsgPackTests.Hex(hex);
            Assert.Throws<WireException>(() => new ZmtpParser(new FramePool(), new Collector()).Feed(bytes, 0, bytes.Length), what);
        }

        [TestCase("08", "a reserved flag")]
        [TestCase("0500", "a command with more")]
        [TestCase("0400", "a command without a name")]
        [TestCase("06FFFFFFFFFFFFFFFF", "a command without an end")]
        [TestCase("0408054552524F520178", "ERROR")]
        public void BrokenFramesAreRefused(string hex, string what)
        {
            byte[] stream = Prefixed(MsgPackTests.Hex(hex));
            Assert.Throws<WireException>(() => Feed(new FramePool(), stream), what);
        }

        [Test]
        public void AMessageOutOfTheLimitsIsPassedOverAndTheNextIsRead()
        {
            var many = new List<byte[]>();
            for (int i = 0; i < 40; i++) many.Add(new byte[i]);
            var wide = new List<byte[]> { new byte[4], new byte[65537] };
            var odd = new List<byte[]> { new byte[5], new byte[3] };
            var good = new List<byte[]> { new byte[4], new byte[10], new byte[7] };
            var collect = new Collector();
            var parser = new ZmtpParser(new FramePool(), collect);
            byte[] stream = Streams.Of(many, wide, odd, good);
            parser.Feed(stream, 0, stream.Length);
            Assert.AreEqual(4, collect.Count);
            Assert.AreEqual(3, collect.Unreadable);
            Assert.IsTrue(collect.Log.ToString().EndsWith("message 3:10 7#0;", StringComparison.Ordinal));
        }

        [Test]
        public void RandomDamageNeverDoesMoreThanRefuse()
        {
            var random = new Random(5);
            byte[] clean = Sample();
            for (int i = 0; i < 3000; i++)
            {
                byte[] stream = (byte[])clean.Clone();
                for (int k = random.Next(6); k >= 0; k--) stream[random.Next(stream.Length)] = (byte)random.Next(256);
                try
                {
                    Parse(stream, 1 + random.Next(999));
                }
                catch (WireException)
                {
                }
            }
        }

        private static byte[] Sample()
        {
            var random = new Random(1);
            var stream = new ByteBuffer();
            Streams.Handshake(stream);
            var large = new byte[70000];
            random.NextBytes(large);
            Streams.Add(stream, new List<byte[]> { new byte[4], new byte[300], large });
            Streams.Frame(stream, 1, new byte[4]);
            Streams.Frame(stream, 4, MsgPackTests.Hex("0450494E47001E616263"));
            Streams.Frame(stream, 0, new byte[20]);
            Streams.Add(stream, new List<byte[]> { new byte[4], new byte[1], new byte[0] });
            return Streams.Bytes(stream);
        }

        private static byte[] Prefixed(byte[] rest)
        {
            var stream = new ByteBuffer();
            Streams.Handshake(stream);
            stream.Add(rest, 0, rest.Length);
            return Streams.Bytes(stream);
        }

        private static void Feed(FramePool pool, byte[] stream)
        {
            new ZmtpParser(pool, new Collector()).Feed(stream, 0, stream.Length);
        }

        private static string Parse(byte[] stream, int size)
        {
            var collect = new Collector();
            var parser = new ZmtpParser(new FramePool(), collect);
            for (int at = 0; at < stream.Length; at += size) parser.Feed(stream, at, Math.Min(size, stream.Length - at));
            return collect.Log.ToString();
        }

        private static string ParseDirect(byte[] stream)
        {
            var collect = new Collector();
            var parser = new ZmtpParser(new FramePool(), collect);
            int direct = 0;
            for (int at = 0; at < stream.Length;)
            {
                int size = Math.Min(parser.WantsDirect ? Math.Min(parser.Missing, 5000) : 100, stream.Length - at);
                if (parser.WantsDirect)
                {
                    Buffer.BlockCopy(stream, at, parser.Target, parser.TargetOffset, size);
                    parser.Filled(size);
                    direct += size;
                }
                else parser.Feed(stream, at, size);
                at += size;
            }
            Assert.IsTrue(direct > 60000);
            return collect.Log.ToString();
        }
    }
}
