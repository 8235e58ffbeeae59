using System;
using UnityEngine;

namespace HeliosWorld
{
    /// <summary>Puts frames on one texture that is kept as long as their size stays. Main thread.</summary>
    sealed class FrameTexture
    {
        byte[] pixels;
        byte[] file = new byte[1 << 15];

        /// <summary>RGB24 without mipmaps; null before the first frame.</summary>
        public Texture2D Texture { get; private set; }

        /// <summary>
        /// Whether the picture's top row is the texture's bottom row: frames that come as pixels are put there as they are,
        /// and turned over where they are shown. Unity's own decoder puts the rows of a JPEG where they belong.
        /// </summary>
        public bool IsUpsideDown { get; private set; }

        /// <summary>False if the frame cannot be shown; the texture then keeps the one before.</summary>
        public bool Show(HeliosChunk chunk, int number, FilterMode filter)
        {
            ArraySegment<byte> frame = chunk.GetFrame(number);
            return chunk.Encoding == HeliosEncoding.Jpeg
                ? ShowFile(frame, chunk.Width, chunk.Height, filter)
                : ShowPixels(frame, chunk.Width, chunk.Height, filter);
        }

        public void Destroy()
        {
            if (Texture != null) UnityEngine.Object.Destroy(Texture);
            Texture = null;
        }

        internal bool ShowPixels(ArraySegment<byte> frame, int width, int height, FilterMode filter)
        {
            int size = width * height * 3;
            if (frame.Count != size) return false;
            Make(width, height, filter);
            // Unity takes exactly as many bytes as the texture has.
            if (pixels == null || pixels.Length != size) pixels = new byte[size];
            Buffer.BlockCopy(frame.Array, frame.Offset, pixels, 0, size);
            Texture.LoadRawTextureData(pixels);
            Texture.Apply(false);
            IsUpsideDown = true;
            return true;
        }

        internal bool ShowFile(ArraySegment<byte> frame, int width, int height, FilterMode filter)
        {
            int itsWidth, itsHeight;
            if (!JpegHeader.TryReadSize(frame.Array, frame.Offset, frame.Count, out itsWidth, out itsHeight)) return false;
            if (itsWidth != width || itsHeight != height) return false;
            Make(width, height, filter);
            CopyFile(frame);
            if (!Texture.LoadImage(file)) return false;
            IsUpsideDown = false;
            return true;
        }

        // A JPEG file says where it ends, so a larger array can be used again and again; the rest is zeros.
        void CopyFile(ArraySegment<byte> frame)
        {
            int size = file.Length;
            while (size < frame.Count) size *= 2;
            if (size != file.Length) file = new byte[size];
            Buffer.BlockCopy(frame.Array, frame.Offset, file, 0, frame.Count);
            Array.Clear(file, frame.Count, file.Length - frame.Count);
        }

        void Make(int width, int height, FilterMode filter)
        {
            if (Texture == null || Texture.width != width || Texture.height != height)
            {
                Destroy();
                Texture = new Texture2D(width, height, TextureFormat.RGB24, false);
                Texture.name = "Helios";
                Texture.wrapMode = TextureWrapMode.Clamp;
            }
            if (Texture.filterMode != filter) Texture.filterMode = filter;
        }
    }
}
