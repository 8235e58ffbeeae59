using System.Collections.Generic;
using NUnit.Framework;
using UnityEngine;

namespace HeliosWorld.Tests
{
    [TestFixture]
    public sealed class ConnectionTests : SceneTest
    {
        [Test]
        public void AStreamGoesOnAfterALostConnection()
        {
            using (var relay = new Relay(Address))
            {
                HeliosWorldBehaviour world = Enabled(made => { made.address = relay.Address; made.autostart = true; });
                var told = new List<string>();
                Until(() => world.Statistics.FramesShown >= 12, "frames");
                string session = world.Session.Id;
                world.Disconnected += why => told.Add("disconnected, " + world.State);
                world.Resumed += () => told.Add("resumed, " + world.State);
                relay.Cut();
                Until(() => told.Count == 2, "the session on another connection");
                CollectionAssert.AreEqual(new[] { "disconnected, Resuming", "resumed, Open" }, told);
                long before = world.Statistics.FramesShown;
                Until(() => world.Statistics.FramesShown >= before + 12, "frames after the cut");
                Assert.AreEqual(session, world.Session.Id);
                Assert.AreEqual(1, world.Statistics.Resumes);
                CollectionAssert.IsEmpty(Stub.Errors);
            }
        }

        [Test]
        public void AStepThatLosesItsConnectionIsMadeOnce()
        {
            using (var relay = new Relay(Address))
            {
                HeliosWorldBehaviour world = Begun(made => made.address = relay.Address);
                var indices = new List<long>();
                world.ChunkReady += chunk => indices.Add(chunk.Index);
                HeliosRequest step = world.Step();
                relay.Cut();
                Await(step);
                Await(world.Step());
                CollectionAssert.AreEqual(new long[] { 1, 2 }, indices);
            }
        }

        [Test]
        public void ARequestDoesNotWaitForEverForAServerThatIsGone()
        {
            var relay = new Relay(Address);
            HeliosWorldBehaviour world = Begun(made => made.address = relay.Address);
            world.Session.Client.SetTimes(4, 5);
            world.timeout = 4;
            relay.Hold();
            HeliosRequest step = world.Step();
            relay.Dispose();
            Until(() => step.IsDone, "the end of the step");
            Assert.AreEqual("connection", step.Error.Code);
            StringAssert.Contains("helios-world serve nano", Stub.Errors[0]);
            Assert.AreEqual(HeliosWorldState.Resuming, world.State);
            world.Close();
        }

        [Test]
        public void AServerThatIsGoneIsAnErrorAndSoughtUntilItIsBack()
        {
            var relay = new Relay(Address);
            HeliosWorldBehaviour world = Enabled(made => { made.address = relay.Address; made.autostart = true; });
            Until(() => world.Texture != null, "a frame");
            world.timeout = 1;
            string session = world.Session.Id;
            relay.Dispose();
            Until(() => Stub.Errors.Count > 0, "the error");
            StringAssert.StartsWith("Helios, connection: no connection to " + relay.Address, Stub.Errors[0]);
            StringAssert.Contains("it is sought again", Stub.Warnings[0]);
            Frames(0.3);
            Assert.AreEqual(1, Stub.Errors.Count, "told once");
            using (new Relay(Address, relay.Port))
            {
                long before = world.Statistics.FramesShown;
                Until(() => world.State == HeliosWorldState.Open && world.Statistics.FramesShown > before + 8, "the same walk");
                Assert.AreEqual(session, world.Session.Id);
            }
        }
    }
}
