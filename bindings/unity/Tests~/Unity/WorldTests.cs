using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NUnit.Framework;
using UnityEngine;

namespace HeliosWorld.Tests
{
    [TestFixture]
    public sealed class WorldTests : SceneTest
    {
        [Test]
        public void StreamsByItself()
        {
            HeliosWorldBehaviour world = Enabled(made => made.autostart = true);
            int main = Thread.CurrentThread.ManagedThreadId, foreign = 0, chunks = 0;
            var told = new List<string>();
            world.Connected += server => told.Add("connected");
            world.Opened += spec => told.Add("opened " + spec.Name);
            world.PromptChanged += told.Add;
            world.ChunkReady += chunk => chunks++;
            world.FrameReady += texture => { if (Thread.CurrentThread.ManagedThreadId != main) foreign++; };
            Until(() => world.Statistics.FramesShown >= 24, "24 frames");
            CollectionAssert.AreEqual(new[] { "connected", "opened nano", "a brick garden at noon" }, told);
            Assert.AreEqual(HeliosWorldState.Open, world.State);
            Assert.GreaterOrEqual(chunks, 6);
            Assert.AreEqual(0, foreign, "events belong to the main thread");
            Assert.AreEqual(0, world.Statistics.MissingChunks);
            Assert.AreEqual(0, world.Statistics.FramesRefused);
            Assert.Greater(world.Statistics.BytesReceived, 24 * 64 * 128 * 3);
            CollectionAssert.IsEmpty(Stub.Errors);
        }

        [Test]
        public void WhatIsHeldTurnsTheViewInStreamMode()
        {
            HeliosWorldBehaviour world = Enabled(made => made.autostart = true);
            world.gameObject.AddComponent<HeliosLegacyInput>();
            string held = "";
            world.ChunkReady += chunk => held = chunk.Action.ButtonCount == 0 ? "" : chunk.Action.Button(0);
            Until(() => world.Texture != null, "a frame");
            Input.Held.Add(KeyCode.LeftArrow);
            Until(() => held == "turn_left", "a chunk with the key held");
            Input.Held.Clear();
            Until(() => held == "", "a chunk with the key let go");
            Assert.Greater(world.Statistics.InputToFrameMs, 0);
        }

        [Test]
        public void AStreamInSteadyStateAllocatesNothing()
        {
            HeliosWorldBehaviour world = Enabled(made => made.autostart = true);
            world.gameObject.AddComponent<HeliosLegacyInput>();
            HeliosScreen screen = HeliosScreen.FillWindow(world);
            Until(() => world.Statistics.FramesShown >= 24, "24 frames");
            long shown = 0, bytes = 0;
            for (int attempt = 0; attempt < 3; attempt++)
            {
                long before = world.Statistics.FramesShown;
                bytes = Allocated(() => Run(world, screen, 1.2));
                shown = world.Statistics.FramesShown - before;
                if (bytes == 0) break; // pools that grow once more are no garbage in each frame
            }
            Assert.Greater(shown, 6);
            Assert.AreEqual(0, bytes, "bytes for " + shown + " frames");
        }

        static void Run(HeliosWorldBehaviour world, HeliosScreen screen, double seconds)
        {
            double begun = HeliosClock.Now;
            long before = world.Statistics.FramesShown;
            while (HeliosClock.Now < begun + seconds || (world.Statistics.FramesShown < before + 7 && HeliosClock.Now < begun + 20))
            {
                world.Tick(HeliosClock.Now);
                screen.Refresh();
                Thread.Sleep(2);
            }
        }

        [Test]
        public void ALockstepWorldIsSteppedByTheGame()
        {
            HeliosWorldBehaviour world = Begun();
            var indices = new List<long>();
            world.ChunkReady += chunk => indices.Add(chunk.Index);
            for (int i = 0; i < 3; i++) Await(world.Step(new HeliosAction().Hold("forward")));
            CollectionAssert.AreEqual(new long[] { 1, 2, 3 }, indices);
            Frames(0.3);
            CollectionAssert.AreEqual(new long[] { 1, 2, 3 }, indices, "nothing is made unasked");
        }

        [Test]
        public void ASnapshotComesBackToTheSamePicture()
        {
            HeliosWorldBehaviour world = Begun();
            byte[] saved = Await(world.Snapshot()).Bytes;
            byte[] first = Future(world), other = Future(world);
            Await(world.Restore(saved));
            CollectionAssert.AreEqual(first, Future(world));
            CollectionAssert.AreNotEqual(first, other);
        }

        [Test]
        public void AForkHasTheSameFutureAndALifeOfItsOwn()
        {
            HeliosWorldBehaviour world = Begun(), twin = Enabled();
            Await(world.Fork(twin));
            Assert.AreEqual(HeliosWorldState.Open, twin.State);
            Assert.AreNotEqual(world.Session.Id, twin.Session.Id);
            CollectionAssert.AreEqual(Future(world), Future(twin));
            world.Close();
            Await(twin.Step());
            CollectionAssert.IsEmpty(Stub.Errors);
        }

        // The last frame that comes of one step to the left.
        static byte[] Future(HeliosWorldBehaviour world)
        {
            byte[] last = null;
            Action<HeliosChunk> keep = chunk => Copy(chunk, ref last);
            world.ChunkReady += keep;
            Await(world.Step(new HeliosAction().Hold("turn_left")));
            world.ChunkReady -= keep;
            return last;
        }

        static void Copy(HeliosChunk chunk, ref byte[] to)
        {
            to = new byte[chunk.Width * chunk.Height * 3];
            chunk.CopyFrame(chunk.Frames - 1, to);
        }

        [Test]
        public void TheTextureHasTheRowsAsTheyCame()
        {
            HeliosWorldBehaviour world = Enabled(made => made.mode = HeliosMode.Lockstep);
            var frames = new List<byte[]>();
            world.ChunkReady += chunk => { for (int k = 0; k < chunk.Frames; k++) frames.Add(Frame(chunk, k)); };
            Await(world.Open());
            Await(world.ResetWorld());
            Until(() => world.Statistics.FramesShown > 0 && world.Texture.Pixels.SequenceEqual(frames[frames.Count - 1]), "the last frame");
            Assert.IsTrue(world.IsUpsideDown);
        }

        static byte[] Frame(HeliosChunk chunk, int number)
        {
            var bytes = new byte[chunk.Width * chunk.Height * 3];
            chunk.CopyFrame(number, bytes);
            return bytes;
        }

        [Test]
        public void FilesGoToUnitysDecoder()
        {
            HeliosWorldBehaviour world = Begun(made => made.encoding = HeliosEncoding.Jpeg);
            Until(() => world.Statistics.FramesShown >= 2, "frames");
            byte[] file = world.Texture.Jpeg;
            CollectionAssert.AreEqual(new byte[] { 0xFF, 0xD8, 0xFF }, new[] { file[0], file[1], file[2] });
            Assert.IsFalse(world.IsUpsideDown);
            Assert.AreEqual(0, world.Statistics.FramesRefused);
        }

        [Test]
        public void RequestsWaitForEachOther()
        {
            HeliosWorldBehaviour world = Begun();
            HeliosRequest step = world.Step(), save = world.Snapshot(), words = world.SetPrompt("an ice palace at night");
            Assert.IsTrue(world.IsBusy);
            Await(words);
            Assert.IsTrue(step.Succeeded && save.Succeeded);
            Assert.IsNotNull(save.Bytes);
            Assert.IsFalse(world.IsBusy);
        }

        [Test]
        public void TooManyRequestsAreRefusedAtOnce()
        {
            HeliosWorldBehaviour world = Begun();
            HeliosRequest last = null;
            for (int i = 0; i <= RequestQueue.Most; i++) last = world.Step();
            Assert.AreEqual("usage", last.Error.Code);
            StringAssert.Contains("requests are waiting", last.Error.Message);
        }

        [Test]
        public void ServersErrorsReachTheCallerTheEventAndTheConsole()
        {
            HeliosWorldBehaviour world = Begun();
            HeliosException heard = null;
            world.Error += error => heard = error;
            HeliosRequest step = world.Step(new HeliosAction().Hold("fly"));
            Until(() => step.IsDone, "the refusal");
            Assert.AreEqual("action", step.Error.Code);
            Assert.AreSame(step.Error, heard);
            StringAssert.StartsWith("Helios, action: ", Stub.Errors[0]);
            StringAssert.Contains("Use the buttons and axes that World lists", Stub.Errors[0]);
            Assert.AreSame(world, Stub.ErrorContext);
            Await(world.Step());
        }

        [Test]
        public void NobodyListeningIsAnErrorThatSaysWhatToDo()
        {
            int port = UnusedPort();
            HeliosWorldBehaviour world = Enabled(made => { made.address = "127.0.0.1:" + port; made.timeout = 1; });
            HeliosRequest open = world.Open();
            Until(() => open.IsDone, "the error");
            Assert.AreEqual("connection", open.Error.Code);
            StringAssert.Contains(port.ToString(), Stub.Errors[0]);
            StringAssert.Contains("helios-world serve nano", Stub.Errors[0]);
            Assert.AreEqual(HeliosWorldState.Closed, world.State);
        }

        [Test]
        public void WithAutostartItGoesOnTrying()
        {
            HeliosWorldBehaviour world = Make(made => { made.address = "127.0.0.1:" + UnusedPort(); made.timeout = 1; made.autostart = true; });
            world.gameObject.SetActive(true);
            Until(() => Stub.Errors.Count > 0, "the first failure");
            world.address = Address;
            world.timeout = 15;
            Until(() => world.Texture != null, "a frame of the server that came later");
        }

        [TestCase("no such world", "option")]
        public void AWorldThatIsNotOfferedIsNotAskedForAgain(string name, string code)
        {
            HeliosWorldBehaviour world = Enabled(made => { made.world = name; made.autostart = true; });
            Until(() => Stub.Errors.Count > 0, "the refusal");
            Frames(1.5);
            Assert.AreEqual(1, Stub.Errors.Count);
            StringAssert.StartsWith("Helios, " + code, Stub.Errors[0]);
            Assert.AreEqual(HeliosWorldState.Closed, world.State);
        }

        [Test]
        public void CallsOnAClosedWorldFailWithAdvice()
        {
            HeliosWorldBehaviour world = Enabled();
            HeliosRequest step = world.Step();
            Assert.AreEqual("usage", step.Error.Code);
            StringAssert.Contains("call Open() first", step.Error.Message);
            world.address = "not an address";
            Assert.AreEqual("usage", world.Open().Error.Code);
        }

        [Test]
        public void DroppingASessionEndsWhatWaits()
        {
            HeliosWorldBehaviour world = Begun();
            HeliosRequest step = world.Step(), save = world.Snapshot();
            world.Close();
            Assert.IsTrue(step.IsDone && save.IsDone);
            Assert.IsFalse(step.Succeeded || save.Succeeded);
            CollectionAssert.IsEmpty(Stub.Errors, "it was meant");
        }

        [Test]
        public void AHandlerMayCloseTheWorld()
        {
            HeliosWorldBehaviour world = Enabled(made => made.autostart = true);
            world.FrameReady += texture => world.Close();
            Until(() => world.State == HeliosWorldState.Closed && world.Texture != null, "the end");
            Frames(0.1);
            Assert.AreEqual(1, world.Statistics.FramesShown);
        }
    }
}
