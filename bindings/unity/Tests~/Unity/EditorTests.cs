using NUnit.Framework;
using UnityEngine;
using UnityEngine.UI;

namespace HeliosWorld.Tests
{
    [TestFixture]
    public sealed class EditorTests : SceneTest
    {
        [Test]
        public void TheMenuMakesAWorldThatCanBeWalkedThrough()
        {
            HeliosWorldBehaviour world = HeliosMenu.Create();
            world.enabled = false; // it has begun with the default address
            Assert.IsNotNull(world.GetComponent<IHeliosInput>());
            world.address = Address;
            world.enabled = true;
            Until(() => world.Texture != null, "a frame");
            Assert.IsNotNull(Picture());
        }

        [Test]
        public void TheInspectorDrawsAtEveryStage()
        {
            HeliosWorldBehaviour world = Enabled();
            var inspector = new HeliosWorldInspector { target = world };
            inspector.OnInspectorGUI();
            Await(world.Open());
            inspector.OnInspectorGUI();
            Application.isPlaying = false;
            try { inspector.OnInspectorGUI(); }
            finally { Application.isPlaying = true; }
        }

        [Test]
        public void TheSampleShowsItsFigures()
        {
            var owner = new GameObject("First Person");
            owner.SetActive(false);
            owner.AddComponent<HeliosWorld.Samples.FirstPerson>().address = Address;
            owner.SetActive(true);
            Until(() => TextOf("Figures").Contains("frames/s") && TextOf("Prompt") != "", "figures in the HUD");
            StringAssert.Contains("nano", TextOf("Figures"));
            string before = TextOf("Prompt");
            Press("Digit2");
            Until(() => TextOf("Prompt") != before, "another prompt");
            Press("F5");
            Until(() => TextOf("Note").StartsWith("saved"), "the note of the snapshot");
            Press("F9");
            Until(() => TextOf("Note") == "restored", "the note of the return");
            CollectionAssert.IsEmpty(Stub.Errors);
        }

        static void Press(string key)
        {
            UnityEngine.InputSystem.InputStub.Values["<Keyboard>/" + key] = 1;
            Stub.Frame();
            UnityEngine.InputSystem.InputStub.Values.Clear();
        }

        static string TextOf(string name)
        {
            foreach (GameObject each in Stub.Objects)
                if (each.name == name && each.GetComponent<UnityEngine.UI.Text>() != null) return each.GetComponent<UnityEngine.UI.Text>().text;
            return "";
        }

        static Texture Picture()
        {
            Stub.Frame();
            foreach (GameObject each in Stub.Objects)
                if (each.GetComponent<RawImage>() != null) return each.GetComponent<RawImage>().texture;
            return null;
        }
    }
}
