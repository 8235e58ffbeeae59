using System.Collections.Generic;
using NUnit.Framework;

namespace HeliosWorld.Tests
{
    /// <summary>The example messages of the protocol.</summary>
    [TestFixture]
    public class GoldenTests
    {
        [Test]
        public void EveryHeaderIsReadAndWrittenBack()
        {
            foreach (Dictionary<string, object> entry in WireFiles.Index())
            {
                byte[] header = WireFiles.Parts((string)entry["file"])[1];
                object value = Values.Unpack(header);
                Assert.AreEqual(Values.Canonical(entry["header"]), Values.Canonical(value), (string)entry["file"]);
                Assert.AreEqual(Values.Canonical(value), Values.Canonical(Values.Unpack(Values.Pack(value))));
            }
        }

        [Test]
        public void EveryMessageOfTheServerIsDecoded()
        {
            var types = new HashSet<string>();
            foreach (Dictionary<string, object> entry in WireFiles.Index())
            {
                if ((string)entry["from"] != "server") continue;
                ServerMessage message = new MessageDecoder().Decode(WireFiles.Message(WireFiles.Parts((string)entry["file"])));
                var header = (Dictionary<string, object>)entry["header"];
                Assert.AreEqual((string)header["t"], message.Type.ToString().ToUpperInvariant());
                types.Add((string)header["t"]);
                object seq, sid;
                if (header.TryGetValue("seq", out seq)) Assert.AreEqual(seq ?? 0L, message.Seq);
                if (header.TryGetValue("sid", out sid)) Assert.AreEqual(sid, message.Sid);
            }
            Assert.AreEqual(9, types.Count);
        }

        [Test]
        public void AChunkHasItsFieldsAndFrames()
        {
            List<byte[]> parts = WireFiles.Parts("chunk.bin");
            var message = (ChunkMessage)new MessageDecoder().Decode(WireFiles.Message(parts));
            bool isDamaged;
            HeliosChunk chunk = new ChunkAssembly(new ChunkPool()).Add(message, 1, out isDamaged);
            Assert.AreEqual(2, chunk.Frames);
            Assert.AreEqual(2, chunk.FirstFrame);
            Assert.AreEqual("forward", chunk.Action.Button(0));
            Assert.AreEqual(22.5, chunk.Action.Axis("turn"));
            Assert.AreEqual("a brick garden at noon", chunk.PromptText(0));
            Assert.AreEqual(0.25, chunk.PromptShare(1));
            Assert.AreEqual(57, chunk.TotalMs, 1);
            Assert.AreEqual(12.5, chunk.ClientTime);
            Assert.IsNaN(chunk.InputMs);
            var frame = new byte[8 * 8 * 3];
            chunk.CopyFrame(1, frame);
            for (int i = 0; i < frame.Length; i++) Assert.AreEqual(parts[2][frame.Length + i], frame[i]);
        }

        [Test]
        public void JpegFilesAreFoundByTheirTable()
        {
            List<byte[]> parts = WireFiles.Parts("chunk_jpeg.bin");
            HeliosChunk chunk = Assemble(parts);
            for (int k = 0; k < chunk.Frames; k++)
            {
                System.ArraySegment<byte> file = chunk.GetFrame(k);
                Assert.AreEqual(0xFF, file.Array[file.Offset]);
                Assert.AreEqual(0xD8, file.Array[file.Offset + 1]);
                Assert.AreEqual(0xD9, file.Array[file.Offset + file.Count - 1]);
            }
            foreach (int damage in new[] { 0, 1, 3, 4 })
            {
                var copy = new List<byte[]>(parts);
                copy[2] = (byte[])parts[2].Clone();
                copy[2][damage] ^= 0x41;
                Assert.IsNull(Assemble(copy), "byte " + damage);
            }
        }

        private static HeliosChunk Assemble(List<byte[]> parts)
        {
            bool isDamaged;
            var message = (ChunkMessage)new MessageDecoder().Decode(WireFiles.Message(parts));
            HeliosChunk chunk = new ChunkAssembly(new ChunkPool()).Add(message, 1, out isDamaged);
            Assert.AreEqual(chunk == null, isDamaged);
            return chunk;
        }
    }
}
