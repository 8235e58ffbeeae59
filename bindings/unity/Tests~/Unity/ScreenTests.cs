using NUnit.Framework;
using UnityEngine;
using UnityEngine.UI;

namespace HeliosWorld.Tests
{
    [TestFixture]
    public sealed class ScreenTests : SceneTest
    {
        [Test]
        public void PixelsAreTurnedOverInACanvas()
        {
            HeliosWorldBehaviour world = Begun();
            RawImage image = HeliosScreen.FillWindow(world).GetComponent<RawImage>();
            Until(() => image.texture != null, "a frame on the screen");
            Assert.AreSame(world.Texture, image.texture);
            Assert.AreEqual(new Rect(0, 1, 1, -1), image.uvRect);
            Assert.AreEqual(2.0f, image.GetComponent<AspectRatioFitter>().aspectRatio);
        }

        [Test]
        public void FilesAreNotTurnedOver()
        {
            HeliosWorldBehaviour world = Begun(made => made.encoding = HeliosEncoding.Jpeg);
            RawImage image = HeliosScreen.FillWindow(world).GetComponent<RawImage>();
            Until(() => image.texture != null, "a frame on the screen");
            Assert.AreEqual(new Rect(0, 0, 1, 1), image.uvRect);
        }

        [TestCase("_BaseMap", "", "_BaseMap")]
        [TestCase("_Other", "", "_MainTex")]
        [TestCase("_BaseMap", "_Picture", "_Picture")]
        public void ASurfaceGetsThePictureThroughItsShadersProperty(string inShader, string chosen, string expected)
        {
            HeliosWorldBehaviour world = Begun();
            var screen = new GameObject("Wall");
            var surface = screen.AddComponent<MeshRenderer>();
            surface.sharedMaterial.Properties.Add(inShader);
            var shows = screen.AddComponent<HeliosScreen>();
            shows.world = world;
            shows.textureProperty = chosen;
            Until(() => surface.Block != null, "a frame on the surface");
            Assert.AreSame(world.Texture, surface.Block.Textures[Shader.PropertyToID(expected)]);
            Assert.AreEqual(new Vector4(1, -1, 0, 1), surface.Block.Vectors[Shader.PropertyToID(expected + "_ST")]);
        }

        [Test]
        public void AScreenWithoutAWorldOrATargetSaysSo()
        {
            new GameObject("Lost").AddComponent<HeliosScreen>();
            Stub.Frame();
            Assert.AreEqual(2, Stub.Warnings.Count);
            StringAssert.Contains("no Helios World", Stub.Warnings[0]);
            StringAssert.Contains("add a RawImage or a Renderer", Stub.Warnings[1]);
        }
    }
}
