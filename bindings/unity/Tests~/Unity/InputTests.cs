using System.Collections.Generic;
using NUnit.Framework;
using UnityEngine;
using UnityEngine.InputSystem;

namespace HeliosWorld.Tests
{
    [TestFixture]
    public sealed class InputTests : SceneTest
    {
        HeliosWorldBehaviour world;
        HeliosAction action;

        void Prepare()
        {
            world = Begun();
            action = new HeliosAction();
        }

        [Test]
        public void KeysOfTheInputManagerHoldTheButtonsOfTheWorld()
        {
            Prepare();
            var input = world.gameObject.AddComponent<HeliosLegacyInput>();
            Input.Held.Add(KeyCode.W);
            Input.Held.Add(KeyCode.Q);
            Input.Held.Add(KeyCode.Space); // jump: not in this world
            Input.Down.Add(KeyCode.D); // pressed and let go within one frame
            input.Sample(world.World, action);
            Assert.AreEqual("forward,strafe_right,turn_left", Held());
        }

        [Test]
        public void AxesOfTheInputManagerAddUp()
        {
            Prepare();
            var input = world.gameObject.AddComponent<HeliosLegacyInput>();
            input.axes.Add(new HeliosLegacyInput.AxisKeys { axis = "turn", negative = KeyCode.LeftArrow, positive = KeyCode.RightArrow, keyValue = 0.5f });
            input.axes.Add(new HeliosLegacyInput.AxisKeys { axis = "turn", inputAxis = "Mouse X", scale = 2 });
            input.axes.Add(new HeliosLegacyInput.AxisKeys { axis = "no_such_axis", inputAxis = "No such axis" });
            Input.Axes["Mouse X"] = 0.125f;
            Input.Held.Add(KeyCode.LeftArrow);
            input.Sample(world.World, action);
            Assert.AreEqual(-0.25, action.Axis("turn"), 1e-9);
        }

        [Test]
        public void ActionsOfTheInputSystemHoldButtonsAndMoveAxes()
        {
            Prepare();
            var input = world.gameObject.AddComponent<HeliosInputSystemInput>();
            InputStub.Values["<Keyboard>/w"] = 1;
            InputStub.Values["<Gamepad>/leftStick/left"] = 0.7f;
            InputStub.Values["<Gamepad>/leftStick/right"] = 0.2f; // not half pressed
            InputStub.Values["<Keyboard>/space"] = 1; // jump: not in this world
            InputStub.Values["<Gamepad>/rightStick/x"] = -0.5f;
            input.Sample(world.World, action);
            Assert.AreEqual("forward,strafe_left", Held());
            Assert.AreEqual(-0.5, action.Axis("turn"), 1e-9);
        }

        [Test]
        public void ActionsOfTheInputSystemAreOnWhileTheComponentIs()
        {
            Prepare();
            var input = world.gameObject.AddComponent<HeliosInputSystemInput>();
            Assert.IsTrue(input.buttons.TrueForAll(each => each.action.enabled));
            input.enabled = false;
            Assert.IsFalse(input.buttons.Exists(each => each.action.enabled));
            Assert.IsFalse(input.axes.Exists(each => each.action.enabled));
        }

        [Test]
        public void SamplingAllocatesNothing()
        {
            Prepare();
            var legacy = world.gameObject.AddComponent<HeliosLegacyInput>();
            Input.Held.Add(KeyCode.W);
            legacy.axes.Add(new HeliosLegacyInput.AxisKeys { axis = "turn", positive = KeyCode.E });
            Assert.AreEqual(0, Sampling(legacy));
            var system = world.gameObject.AddComponent<HeliosInputSystemInput>();
            InputStub.Values["<Keyboard>/w"] = 1;
            Assert.AreEqual(0, Sampling(system));
        }

        [Test]
        public void AStepWithoutAnActionTakesWhatIsHeld()
        {
            Prepare();
            world.gameObject.AddComponent<HeliosLegacyInput>();
            Input.Held.Add(KeyCode.W);
            string made = null;
            world.ChunkReady += chunk => made = chunk.Action.Button(0);
            Await(world.Step());
            Assert.AreEqual("forward", made);
        }

        [Test]
        public void CallsHoldUntilTheyAreLetGoAndATapCountsOnce()
        {
            Prepare();
            var input = world.gameObject.AddComponent<HeliosManualInput>();
            input.Press("forward");
            input.Press("turn_left");
            input.Release("turn_left"); // before any frame
            input.Press("fly"); // not in this world
            input.Move("turn", -0.5);
            input.Sample(world.World, action);
            Assert.AreEqual("forward,turn_left", Held());
            input.Sample(world.World, action.Clear());
            Assert.AreEqual("forward", Held());
            Assert.AreEqual(-0.5, action.Axis("turn"));
            input.ReleaseAll();
            input.Sample(world.World, action.Clear());
            Assert.AreEqual("", Held());
            Assert.AreEqual(0, Sampling(input));
        }

        [Test]
        public void DisabledInputLetsGoOfEverything()
        {
            world = Enabled(made => made.autostart = true);
            world.gameObject.AddComponent<HeliosManualInput>().Press("forward");
            int held = -1;
            world.ChunkReady += chunk => held = chunk.Action.ButtonCount;
            Until(() => held == 1, "a chunk with the button held");
            world.inputEnabled = false;
            Until(() => held == 0, "a chunk without");
            world.inputEnabled = true;
            Until(() => held == 1, "a chunk with the button held again");
        }

        long Sampling(IHeliosInput input)
        {
            WorldSpec spec = world.World;
            for (int i = 0; i < 3; i++) input.Sample(spec, action.Clear());
            return Allocated(() => { for (int i = 0; i < 100; i++) input.Sample(spec, action.Clear()); });
        }

        string Held()
        {
            var names = new List<string>();
            for (int i = 0; i < action.ButtonCount; i++) names.Add(action.Button(i));
            names.Sort();
            return string.Join(",", names.ToArray());
        }
    }
}
