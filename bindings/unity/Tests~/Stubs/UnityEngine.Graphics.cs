// Textures, materials, cameras and old input of UnityEngine, as far as the package uses them.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public enum TextureFormat { RGB24 = 3 }
    public enum FilterMode { Point, Bilinear, Trilinear }
    public enum TextureWrapMode { Repeat, Clamp }

    public class Texture : Object
    {
        public int width { get; protected set; }
        public int height { get; protected set; }
        public FilterMode filterMode;
        public TextureWrapMode wrapMode;
    }

    public sealed class Texture2D : Texture
    {
        /// <summary>What was loaded, the bottom row first, as in Unity.</summary>
        public byte[] Pixels;
        public int Applied;
        public byte[] Jpeg;

        public Texture2D(int width, int height, TextureFormat format, bool mipChain) { Resize(width, height); }

        public void LoadRawTextureData(byte[] data)
        {
            if (data.Length != Pixels.Length) throw new ArgumentException("LoadRawTextureData: not enough data provided");
            Buffer.BlockCopy(data, 0, Pixels, 0, data.Length);
        }

        public void Apply(bool updateMipmaps) { Applied++; }

        internal void Resize(int newWidth, int newHeight)
        {
            if (Pixels == null || newWidth != width || newHeight != height) Pixels = new byte[newWidth * newHeight * 3];
            width = newWidth;
            height = newHeight;
        }
    }

    /// <summary>Keeps the file; a real decoder is not needed to see that it arrives whole and within limits.</summary>
    public static class ImageConversion
    {
        public static bool LoadImage(this Texture2D texture, byte[] data)
        {
            int end = EndOfFile(data);
            if (end < 0) return false;
            if (texture.Jpeg == null || texture.Jpeg.Length != end) texture.Jpeg = new byte[end];
            Buffer.BlockCopy(data, 0, texture.Jpeg, 0, end);
            texture.Applied++;
            return true;
        }

        static int EndOfFile(byte[] data)
        {
            for (int i = data.Length - 1; i > 1; i--) if (data[i] == 0xD9 && data[i - 1] == 0xFF) return i + 1;
            return -1;
        }
    }

    public static class Shader
    {
        static readonly Dictionary<string, int> ids = new Dictionary<string, int>();

        public static int PropertyToID(string name)
        {
            int id;
            if (!ids.TryGetValue(name, out id)) ids[name] = id = ids.Count + 1;
            return id;
        }
    }

    public sealed class Material : Object
    {
        public readonly HashSet<string> Properties = new HashSet<string> { "_MainTex" };
        public bool HasProperty(string property) { return Properties.Contains(property); }
    }

    public sealed class MaterialPropertyBlock
    {
        public readonly Dictionary<int, Texture> Textures = new Dictionary<int, Texture>();
        public readonly Dictionary<int, Vector4> Vectors = new Dictionary<int, Vector4>();
        public void SetTexture(int id, Texture value) { Textures[id] = value; }
        public void SetVector(int id, Vector4 value) { Vectors[id] = value; }
        public void Clear() { Textures.Clear(); Vectors.Clear(); }
    }

    public class Renderer : Component
    {
        public Material sharedMaterial = new Material();
        public MaterialPropertyBlock Block;
        public void SetPropertyBlock(MaterialPropertyBlock value) { Block = value; }
    }

    public sealed class MeshRenderer : Renderer { }

    public enum CameraClearFlags { Skybox = 1, SolidColor = 2 }

    public sealed class Camera : Behaviour
    {
        public CameraClearFlags clearFlags;
        public Color backgroundColor;
        public int cullingMask;
    }

    public enum RenderMode { ScreenSpaceOverlay, ScreenSpaceCamera, WorldSpace }
    public sealed class Canvas : Behaviour { public RenderMode renderMode; public int sortingOrder; }
    public enum TextAnchor { UpperLeft, UpperRight = 2, MiddleCenter = 4, LowerLeft = 6 }
    public enum HorizontalWrapMode { Wrap, Overflow }
    public enum VerticalWrapMode { Truncate, Overflow }
    public sealed class Font : Object { }

    public static class Resources
    {
        public static T GetBuiltinResource<T>(string path) where T : Object, new() { return new T { name = path }; }

        public static T[] FindObjectsOfTypeAll<T>() where T : Component
        {
            var found = new List<T>();
            foreach (GameObject each in Stub.Objects)
                foreach (Component component in each.Components)
                    if (component is T) found.Add((T)component);
            return found.ToArray();
        }
    }

    public static class Input
    {
        public static readonly HashSet<KeyCode> Held = new HashSet<KeyCode>();
        public static readonly HashSet<KeyCode> Down = new HashSet<KeyCode>();
        public static readonly Dictionary<string, float> Axes = new Dictionary<string, float>();
        public static bool GetKey(KeyCode key) { return Held.Contains(key); }
        public static bool GetKeyDown(KeyCode key) { return Down.Contains(key); }

        public static float GetAxis(string axis)
        {
            float value;
            if (!Axes.TryGetValue(axis, out value)) throw new ArgumentException("Input Axis " + axis + " is not setup.");
            return value;
        }
    }
}
