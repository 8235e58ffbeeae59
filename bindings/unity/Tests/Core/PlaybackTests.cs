using NUnit.Framework;

namespace HeliosWorld.Tests
{
    /// <summary>Playback on made-up time.</summary>
    [TestFixture]
    public class PlaybackTests
    {
        private Playback<string> playback;
        private string item;
        private int frame;
        private bool begins;

        [SetUp]
        public void SetUp()
        {
            playback = new Playback<string>(10);
        }

        [Test]
        public void NothingIsShownBeforeTheFirstItem()
        {
            Assert.IsFalse(playback.Poll(5, out item, out frame, out begins));
        }

        [Test]
        public void FramesAreDueAtAbsoluteTimes()
        {
            playback.Push("a", 4, 100);
            playback.Push("b", 4, 100.1);
            for (int k = 0; k < 8; k++)
            {
                Show(100 + 0.1 * k + 0.03 * (k % 3));
                Assert.AreEqual(k < 4 ? "a" : "b", item);
                Assert.AreEqual(k % 4, frame);
                Assert.AreEqual(k % 4 == 0, begins);
            }
            Assert.AreEqual(0, playback.Underruns);
            Assert.AreEqual("a", playback.TakeFinished());
            Assert.IsNull(playback.TakeFinished());
        }

        [Test]
        public void AStallIsOneUnderrunAndMovesTheClock()
        {
            playback.Push("a", 2, 0);
            Show(0);
            for (double now = 0.1; now < 0.5; now += 0.05) Show(now);
            Assert.AreEqual("a", item);
            Assert.AreEqual(1, frame);
            playback.Push("b", 2, 0.5);
            playback.Push("c", 2, 0.6);
            Show(0.5);
            Assert.AreEqual("b", item);
            Show(0.72);
            Assert.AreEqual("c", item);
            Assert.AreEqual(1, playback.Underruns);
            Assert.AreEqual(0.3, playback.LateSeconds, 1e-9);
        }

        [Test]
        public void WhatArrivedInTimeIsNoUnderrunThoughItIsPolledLater()
        {
            playback.Push("a", 2, 0);
            Show(0);
            playback.Push("b", 2, 0.19);
            Show(0.22);
            Assert.AreEqual("b", item);
            Assert.AreEqual(0, playback.Underruns);
            Show(0.3);
            Assert.AreEqual(1, frame);
        }

        [Test]
        public void ASlowViewerSeesEveryItem()
        {
            playback.Push("a", 2, 0);
            playback.Push("b", 2, 0);
            playback.Push("c", 2, 0);
            Show(0);
            Show(7);
            Assert.AreEqual("b", item);
            Assert.AreEqual(0, frame);
            Show(7.2);
            Assert.AreEqual("c", item);
            Assert.AreEqual(0, frame);
        }

        [Test]
        public void ACutDropsWhatWaitsAndIsNoUnderrun()
        {
            playback.Push("a", 2, 0);
            playback.Push("b", 2, 0);
            Show(0);
            playback.Cut();
            Assert.AreEqual(0, playback.Waiting);
            Assert.AreEqual("b", playback.TakeFinished());
            playback.Push("c", 2, 5);
            Show(5);
            Assert.AreEqual("c", item);
            Assert.AreEqual(0, playback.Underruns);
        }

        [Test]
        public void APauseTakesNoTime()
        {
            playback.Push("a", 4, 0);
            Show(0.1);
            playback.Pause(0.1);
            Show(50);
            Assert.AreEqual(1, frame);
            playback.Resume(50);
            Show(50.1);
            Assert.AreEqual(2, frame);
            playback.Push("b", 1, 50.2);
            Assert.AreEqual(0, playback.Underruns);
        }

        private void Show(double now)
        {
            Assert.IsTrue(playback.Poll(now, out item, out frame, out begins));
        }
    }
}
