using NUnit.Framework;
using UnityEditor;
using UnityEngine;

namespace HeliosWorld.Tests
{
    /// <summary>From OnEnable to OnDestroy, in the order in which Unity calls them. Each test ends by seeing that no thread is left.</summary>
    [TestFixture]
    public sealed class LifeTests : SceneTest
    {
        HeliosWorldBehaviour world;
        int opened, closed;

        void Start()
        {
            opened = closed = 0;
            world = Make(made => made.autostart = true);
            world.Opened += spec => opened++;
            world.Closed += () => closed++;
            world.gameObject.SetActive(true);
            Until(() => world.Texture != null, "a frame");
        }

        void AssertStopped()
        {
            Assert.AreEqual(HeliosWorldState.Closed, world.State);
            AssertSoon(() => ClientThreads() == 0, "a thread goes on");
        }

        [Test]
        public void AClientRunsTwoThreads()
        {
            Start();
            Assert.AreEqual(2, ClientThreads());
        }

        [Test]
        public void DisablingEndsAndEnablingBeginsAgain()
        {
            Start();
            for (int round = 1; round <= 2; round++)
            {
                world.enabled = false;
                AssertStopped();
                Assert.IsTrue(world.Texture, "the last picture stays");
                world.enabled = true;
                Until(() => opened == round + 1 && world.State == HeliosWorldState.Open, "another session");
            }
            Assert.AreEqual(2, closed);
            CollectionAssert.IsEmpty(Stub.Errors);
        }

        [Test]
        public void DisablingTheObjectWhileItConnectsIsNoError()
        {
            for (int i = 0; i < 5; i++)
            {
                world = Enabled(made => made.autostart = true);
                if (i > 2) Stub.Frame();
                world.gameObject.SetActive(false);
                AssertStopped();
            }
            CollectionAssert.IsEmpty(Stub.Errors);
        }

        [Test]
        public void DestroyingEndsTheSessionAndTheTexture()
        {
            Start();
            Texture2D texture = world.Texture;
            UnityEngine.Object.Destroy(world.gameObject);
            AssertStopped();
            Assert.IsTrue(texture.IsDestroyed);
        }

        [Test]
        public void DestroyingWhileARequestIsUnderWayEndsIt()
        {
            HeliosWorldBehaviour stepped = Begun();
            HeliosRequest step = stepped.Step();
            UnityEngine.Object.Destroy(stepped.gameObject);
            Assert.IsTrue(step.IsDone);
            Assert.IsNotNull(step.Error);
        }

        [Test]
        public void QuittingEndsTheSession()
        {
            Start();
            Stub.Broadcast("OnApplicationQuit");
            AssertStopped();
            Frames(0.1);
            Assert.AreEqual(HeliosWorldState.Closed, world.State, "what quits does not begin again");
        }

        [Test]
        public void CodeIsReloadedTwiceInPlayMode()
        {
            Start();
            System.Runtime.CompilerServices.RuntimeHelpers.RunClassConstructor(
                typeof(HeliosWorldInspector).Assembly.GetType("HeliosWorld.HeliosReloadGuard").TypeHandle);
            for (int round = 0; round < 2; round++)
            {
                HeliosClient old = world.Session.Client;
                AssemblyReloadEvents.Raise();
                Assert.IsTrue(old.WaitEnded(0), "the old code's threads are over before the reload");
                Stub.Send(world, "OnDisable");
                Stub.Send(world, "OnEnable");
                int before = opened;
                Until(() => opened > before, "the session after the reload");
            }
            CollectionAssert.IsEmpty(Stub.Errors);
            CollectionAssert.IsEmpty(Stub.Warnings);
        }

        [Test]
        public void NothingIsShownWhilePausedAndNothingIsLate()
        {
            Start();
            Stub.Broadcast("OnApplicationPause", true);
            Frames(0.2);
            HeliosWorldStatistics before = world.Statistics;
            HeliosStream stream = world.Session.Stream;
            long chunks = stream.ChunksShown;
            Frames(0.6);
            Until(() => world.Session.Client.Statistics.ChunksReceived >= chunks + 2, "the chunks that were asked for");
            Assert.AreEqual(before.FramesShown, world.Statistics.FramesShown);
            Stub.Broadcast("OnApplicationPause", false);
            Until(() => stream.ChunksShown == chunks + 2, "what came in the pause");
            Assert.Greater(world.Statistics.FramesShown, before.FramesShown);
            Assert.LessOrEqual(world.Statistics.Underruns - before.Underruns, 1);
        }
    }
}
