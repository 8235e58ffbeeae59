// What the package uses of com.unity.ugui.
using UnityEngine;

namespace UnityEngine.UI
{
    public class Graphic : Behaviour
    {
        public Color color = Color.white;
        public bool raycastTarget;
        public RectTransform rectTransform { get { return (RectTransform)transform; } }
    }

    public sealed class RawImage : Graphic
    {
        public Texture texture;
        public Rect uvRect = new Rect(0, 0, 1, 1);
    }

    public sealed class Text : Graphic
    {
        public string text = "";
        public Font font;
        public int fontSize;
        public TextAnchor alignment;
        public HorizontalWrapMode horizontalOverflow;
        public VerticalWrapMode verticalOverflow;
    }

    public class Shadow : Behaviour { public Color effectColor; }
    public sealed class Outline : Shadow { }

    public sealed class AspectRatioFitter : Behaviour
    {
        public enum AspectMode { None, WidthControlsHeight, HeightControlsWidth, FitInParent, EnvelopeParent }
        public AspectMode aspectMode;
        public float aspectRatio;
    }

    public sealed class CanvasScaler : Behaviour
    {
        public enum ScaleMode { ConstantPixelSize, ScaleWithScreenSize }
        public ScaleMode uiScaleMode;
        public Vector2 referenceResolution;
    }
}
