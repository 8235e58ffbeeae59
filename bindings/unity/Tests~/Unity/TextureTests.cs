using System;
using NUnit.Framework;
using UnityEngine;

namespace HeliosWorld.Tests
{
    [TestFixture]
    public sealed class TextureTests : SceneTest
    {
        static readonly byte[] twoRows = { 99, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99 };

        [Test]
        public void PixelsAreTakenFromWithinALargerArrayAndMarkedAsUpsideDown()
        {
            var frames = new FrameTexture();
            Assert.IsTrue(frames.ShowPixels(new ArraySegment<byte>(twoRows, 1, 12), 2, 2, FilterMode.Point));
            CollectionAssert.AreEqual(new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }, frames.Texture.Pixels);
            Assert.IsTrue(frames.IsUpsideDown, "the first row of the wire is the lowest of the texture");
            Assert.AreEqual(FilterMode.Point, frames.Texture.filterMode);
            Assert.AreEqual(TextureWrapMode.Clamp, frames.Texture.wrapMode);
        }

        [Test]
        public void TheTextureStaysWhileTheSizeDoes()
        {
            var frames = new FrameTexture();
            frames.ShowPixels(new ArraySegment<byte>(twoRows, 1, 12), 2, 2, FilterMode.Point);
            Texture2D first = frames.Texture;
            frames.ShowPixels(new ArraySegment<byte>(twoRows, 0, 12), 2, 2, FilterMode.Point);
            Assert.AreSame(first, frames.Texture);
            Assert.AreEqual(2, first.Applied);
            frames.ShowPixels(new ArraySegment<byte>(twoRows, 0, 12), 4, 1, FilterMode.Point);
            Assert.AreNotSame(first, frames.Texture);
            Assert.IsTrue(first.IsDestroyed, "the old texture would be lost memory");
        }

        [Test]
        public void PixelsOfAnotherSizeAreRefused()
        {
            var frames = new FrameTexture();
            Assert.IsFalse(frames.ShowPixels(new ArraySegment<byte>(twoRows, 0, 11), 2, 2, FilterMode.Point));
            Assert.IsNull(frames.Texture);
        }

        [Test]
        public void ShowingAllocatesNothing()
        {
            var frames = new FrameTexture();
            var pixels = new ArraySegment<byte>(new byte[64 * 32 * 3]);
            byte[] file = Jpeg(64, 32, 500);
            frames.ShowPixels(pixels, 64, 32, FilterMode.Point);
            Assert.AreEqual(0, Allocated(() => { for (int i = 0; i < 200; i++) frames.ShowPixels(pixels, 64, 32, FilterMode.Point); }));
            frames.ShowFile(new ArraySegment<byte>(file), 64, 32, FilterMode.Point);
            Assert.AreEqual(0, Allocated(() =>
            {
                for (int i = 0; i < 200; i++) frames.ShowFile(new ArraySegment<byte>(file), 64, 32, FilterMode.Point);
            }));
        }

        [Test]
        public void TheMeasureOfAllocationsSeesThem()
        {
            object kept = null;
            Assert.Greater(Allocated(() => kept = new byte[100]), 99);
            Assert.IsNotNull(kept);
        }

        [Test]
        public void AFileArrivesWholeAndTheRightWayUp()
        {
            var frames = new FrameTexture();
            byte[] large = Jpeg(8, 4, 40000), small = Jpeg(8, 4, 50);
            Assert.IsTrue(frames.ShowFile(new ArraySegment<byte>(large), 8, 4, FilterMode.Bilinear));
            CollectionAssert.AreEqual(large, frames.Texture.Jpeg);
            var within = new byte[small.Length + 20];
            Buffer.BlockCopy(small, 0, within, 10, small.Length);
            Assert.IsTrue(frames.ShowFile(new ArraySegment<byte>(within, 10, small.Length), 8, 4, FilterMode.Bilinear));
            CollectionAssert.AreEqual(small, frames.Texture.Jpeg, "nothing of the larger file before is left");
            Assert.IsFalse(frames.IsUpsideDown);
        }

        [Test]
        public void AFileOfAnotherSizeIsNeverDecoded()
        {
            var frames = new FrameTexture();
            Assert.IsFalse(frames.ShowFile(new ArraySegment<byte>(Jpeg(65500, 65500, 50)), 8, 4, FilterMode.Bilinear));
            Assert.IsNull(frames.Texture);
        }

        [Test]
        public void BytesThatAreNoFileAreRefusedWhateverTheyAre()
        {
            var random = new System.Random(5);
            byte[] file = Jpeg(8, 4, 30);
            for (int i = 0; i < 3000; i++)
            {
                byte[] bytes = (byte[])file.Clone();
                for (int hit = 0; hit < 3; hit++) bytes[random.Next(20)] = (byte)random.Next(256);
                int width, height, length = random.Next(bytes.Length + 1);
                if (!JpegHeader.TryReadSize(bytes, 0, length, out width, out height)) continue;
                Assert.LessOrEqual(width, 65535);
                Assert.LessOrEqual(height, 65535);
            }
        }

        /// <summary>The outline of a JPEG file: application segment, frame header, rubbish in place of a scan, end.</summary>
        public static byte[] Jpeg(int width, int height, int scan)
        {
            var file = new byte[2 + 6 + 19 + scan + 2];
            byte[] head =
            {
                0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC0, 0, 17, 8, (byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width
            };
            Buffer.BlockCopy(head, 0, file, 0, head.Length);
            for (int i = 27; i < file.Length - 2; i++) file[i] = (byte)(i % 200);
            file[file.Length - 2] = 0xFF;
            file[file.Length - 1] = 0xD9;
            return file;
        }
    }
}
