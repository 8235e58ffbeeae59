using System;
using NUnit.Framework;
using UnityEngine;

namespace HeliosWorld.Tests
{
    /// <summary>What games do that is easily done wrongly.</summary>
    [TestFixture]
    public sealed class TrapTests : SceneTest
    {
        [Test]
        public void AForkThatIsClosedInAStepIsNoLongerAtTheServer()
        {
            using (var relay = new Relay(Address))
            {
                HeliosWorldBehaviour world = Begun(made => made.address = relay.Address), twin = Enabled();
                Await(world.Fork(twin));
                HeliosSession session = twin.Session;
                relay.Hold();
                twin.Step();
                Stub.Frame();
                Assert.IsTrue(session.IsBusy);
                twin.Close();
                Assert.IsFalse(session.IsOpen, "nobody would ever close it");
                relay.LetThrough();
                Await(world.Step());
            }
        }

        [Test]
        public void AHandlerThatFailsLeavesNobodyWaiting()
        {
            HeliosWorldBehaviour world = Begun();
            world.ChunkReady += chunk => { throw new InvalidOperationException("of the game"); };
            HeliosRequest step = world.Step();
            var fault = Assert.Throws<InvalidOperationException>(() => Until(() => step.IsDone, "the step"));
            Assert.AreEqual("of the game", fault.InnerException.Message);
            Assert.IsTrue(step.Succeeded);
        }

        [Test]
        public void NoStepIsWantedBeforeTheReset()
        {
            HeliosWorldBehaviour world = Enabled(made => made.mode = HeliosMode.Lockstep);
            Await(world.Open());
            Assert.IsFalse(world.WantsStep, "the server would refuse it");
            Await(world.ResetWorld());
            Until(() => world.WantsStep, "the first step");
        }

        [Test]
        public void InputBeyondTheRangeIsClippedInLockstepToo()
        {
            HeliosWorldBehaviour world = Begun();
            var input = world.gameObject.AddComponent<HeliosManualInput>();
            foreach (AxisSpec axis in world.World.Axes) input.Move(axis.Name, 1000 * axis.High);
            Assert.Greater(world.World.Axes.Length, 0);
            Await(world.Step());
        }

        [Test]
        public void AHandlerOfAnErrorMayOpenTheWorldAnew()
        {
            HeliosWorldBehaviour world = Enabled(made => { made.address = "127.0.0.1:" + UnusedPort(); made.timeout = 1; });
            HeliosRequest again = null;
            world.Error += error =>
            {
                world.address = Address;
                world.timeout = 15;
                if (again == null) again = world.Open();
            };
            world.Open();
            Until(() => again != null && again.IsDone, "the second attempt");
            Assert.IsTrue(again.Succeeded);
            Assert.AreEqual(HeliosWorldState.Open, world.State, "it was said to be open");
        }
    }
}
