using UnityEngine;
#if HELIOS_UGUI
using UnityEngine.UI;
#endif

namespace HeliosWorld
{
    /// <summary>
    /// Shows a world on a RawImage or on a Renderer, the right way up. Without a target it takes the one on its own object.
    /// An AspectRatioFitter beside it gets the picture's proportions.
    /// </summary>
    [AddComponentMenu("Helios/Helios Screen")]
    public sealed class HeliosScreen : MonoBehaviour
    {
        // Of the pipelines' usual shaders: URP, HDRP lit and unlit, built-in.
        static readonly string[] usualProperties = { "_BaseMap", "_BaseColorMap", "_UnlitColorMap", "_MainTex" };

        [Tooltip("The world to show; empty for one on this object or above it.")]
        public HeliosWorldBehaviour world;

        [Tooltip("Shows the world on a surface in the scene.")]
        public Renderer surface;

        [Tooltip("The shader's texture property; empty for the usual one of its render pipeline.")]
        public string textureProperty = "";

#if HELIOS_UGUI
        [Tooltip("Shows the world in a canvas.")]
        public RawImage image;
#endif

        MaterialPropertyBlock block;
        Texture bound;
        bool isTurned;

        void OnEnable()
        {
            if (world == null) world = GetComponentInParent<HeliosWorldBehaviour>();
            if (world == null) Debug.LogWarning("Helios Screen: no Helios World on this object or above it; set World", this);
            FindTarget();
            bound = null;
        }

        void LateUpdate() { Refresh(); }

        internal void Refresh()
        {
            Texture texture = world == null ? null : world.Texture;
            if (texture == null || (ReferenceEquals(texture, bound) && isTurned == world.IsUpsideDown)) return;
            bound = texture;
            isTurned = world.IsUpsideDown;
            Bind();
        }

        void FindTarget()
        {
            if (surface == null) surface = GetComponent<Renderer>();
#if HELIOS_UGUI
            if (image == null) image = GetComponent<RawImage>();
            if (surface == null && image == null)
                Debug.LogWarning("Helios Screen: nothing to show the world on; add a RawImage or a Renderer, or set one", this);
#else
            if (surface == null) Debug.LogWarning("Helios Screen: nothing to show the world on; add a Renderer, or set one", this);
#endif
        }

        void Bind()
        {
            if (surface != null) BindSurface();
#if HELIOS_UGUI
            if (image == null) return;
            image.texture = bound;
            image.uvRect = isTurned ? new Rect(0, 1, 1, -1) : new Rect(0, 0, 1, 1);
            AspectRatioFitter fitter = image.GetComponent<AspectRatioFitter>();
            if (fitter != null) fitter.aspectRatio = (float)bound.width / bound.height;
#endif
        }

        // A property block changes this surface only, and leaves no copy of the material behind.
        void BindSurface()
        {
            if (block == null) block = new MaterialPropertyBlock();
            string property = PropertyOf(surface.sharedMaterial);
            block.Clear();
            block.SetTexture(Shader.PropertyToID(property), bound);
            block.SetVector(Shader.PropertyToID(property + "_ST"), isTurned ? new Vector4(1, -1, 0, 1) : new Vector4(1, 1, 0, 0));
            surface.SetPropertyBlock(block);
        }

        string PropertyOf(Material material)
        {
            if (!string.IsNullOrEmpty(textureProperty)) return textureProperty;
            foreach (string property in usualProperties)
                if (material != null && material.HasProperty(property)) return property;
            return "_MainTex";
        }

#if HELIOS_UGUI
        /// <summary>A canvas that fills the window, needs no camera, and shows <paramref name="world"/> in its proportions.</summary>
        public static HeliosScreen FillWindow(HeliosWorldBehaviour world)
        {
            var canvas = new GameObject("Helios Canvas", typeof(RectTransform), typeof(Canvas), typeof(CanvasScaler));
            canvas.GetComponent<Canvas>().renderMode = RenderMode.ScreenSpaceOverlay;
            canvas.transform.SetParent(world.transform, false);
            var picture = new GameObject("Helios Screen", typeof(RectTransform), typeof(RawImage), typeof(AspectRatioFitter));
            picture.transform.SetParent(canvas.transform, false);
            picture.GetComponent<RawImage>().raycastTarget = false;
            picture.GetComponent<AspectRatioFitter>().aspectMode = AspectRatioFitter.AspectMode.FitInParent;
            HeliosScreen screen = picture.AddComponent<HeliosScreen>();
            screen.world = world;
            return screen;
        }
#endif
    }
}
