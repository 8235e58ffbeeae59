using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using NUnit.Framework;

namespace HeliosWorld.Tests
{
    /// <summary>A session with a server that does what a test wants.</summary>
    [TestFixture]
    public class SessionTests
    {
        private const double Patience = 30;

        private FakeServer server;

        [SetUp]
        public void Begin()
        {
            server = new FakeServer();
        }

        [TearDown]
        public void End()
        {
            server.Dispose();
        }

        [Test]
        public void AnErrorTellsWhetherItAnswersARequest()
        {
            using (HeliosClient client = server.Connect())
            {
                HeliosSession session = Streaming(client);
                server.Script = heard => (string)heard["t"] == "PROMPT";
                session.BeginSetPrompt("rain");
                Until(() => server.Count("PROMPT") == 1, "the request");
                server.Error(null, "action");
                HeliosEvent loose = NextError(client);
                Assert.AreEqual("action", loose.Error.Code);
                Assert.IsFalse(loose.IsAnswer);
                server.Error(2L, "prompt");
                HeliosEvent answer = NextError(client);
                Assert.AreEqual("prompt", answer.Error.Code);
                Assert.IsTrue(answer.IsAnswer);
            }
        }

        [Test]
        public void WhatAServerComplainsOfIsHeard()
        {
            using (HeliosClient client = server.Connect())
            {
                client.Open(new HeliosOpenOptions());
                server.Send(FakeServer.Map("t", "ERROR", "code", "limit", "message", "more than 200 messages", "retryable", true));
                HeliosEvent complaint = NextError(client);
                Assert.AreEqual("limit", complaint.Error.Code);
                Assert.IsNull(complaint.Session);
                Assert.IsFalse(complaint.IsAnswer);
            }
        }

        [Test]
        public void AChunkThatTakesLongIsNoDeadServerWhileAPlayerPlays()
        {
            using (HeliosClient client = server.Connect(1.2))
            {
                HeliosStream stream = Streaming(client).Stream;
                Play(stream, 5, null);
                Assert.AreEqual(1, client.Statistics.Connections, "input without an answer, for longer than a server may be silent");
                Assert.Greater(server.Count("INPUT"), 10);
                Assert.Greater(server.Credit, 2, "a credit that an idle server has forgotten is given again");
            }
        }

        [Test]
        public void AStreamWhoseServerWentBackIsShownFromThere()
        {
            using (HeliosClient client = server.Connect())
            {
                HeliosSession session = Streaming(client);
                for (int i = 0; i < 5; i++) server.Chunk(null);
                Play(session.Stream, Patience, () => session.Stream.ChunksShown == 6);
                server.Index = 2;
                server.Cut();
                Play(session.Stream, Patience, () => client.Statistics.Resumes == 1);
                Assert.AreEqual("stale", NextError(client).Error.Code, "the player is told");
                var shown = new List<long>();
                for (int i = 0; i < 3; i++) server.Chunk(null);
                Play(session.Stream, Patience, () => session.Stream.ChunksShown == 9, shown);
                CollectionAssert.AreEqual(new long[] { 2, 3, 4 }, shown);
                Assert.AreEqual(0, session.Stream.MissingChunks);
            }
        }

        [Test]
        public void TwoFailuresAtOnceGiveTwoCreditsBack()
        {
            using (HeliosClient client = server.Connect(60)) // no credit is given again for its age
            {
                HeliosStream stream = Streaming(client).Stream;
                Play(stream, Patience, () => server.Credit == 2);
                server.Error(null, "internal");
                server.Error(null, "internal");
                NextError(client);
                NextError(client);
                Play(stream, Patience, () => server.Credit == 4);
                Assert.AreEqual(4, server.Credit);
            }
        }

        [Test]
        public void AnUploadIsNotTakenForSilenceNorRepeated()
        {
            using (HeliosClient client = server.Connect(1.2, 60))
            {
                HeliosSession session = client.Open(new HeliosOpenOptions());
                server.Script = heard => Restored(heard);
                server.PauseMs = 16;
                session.Restore(new byte[20 << 20]);
                Assert.AreEqual(1, client.Statistics.Connections);
                Assert.AreEqual(1, server.Count("RESTORE"));
            }
        }

        private bool Restored(Dictionary<string, object> heard)
        {
            if ((string)heard["t"] != "RESTORE") return false;
            server.PauseMs = 0;
            server.Send(FakeServer.Map("t", "DONE", "sid", FakeServer.Sid, "seq", heard["seq"], "epoch", 1L, "index", 1L));
            return true;
        }

        [Test]
        public void AnUploadThatNobodyTakesTimesOut()
        {
            using (HeliosClient client = server.Connect())
            {
                HeliosSession session = client.Open(new HeliosOpenOptions());
                client.SetTimes(1, 5);
                server.PauseMs = 8000;
                HeliosException error = null;
                var caller = new Thread(() => error = Assert.Throws<HeliosException>(() => session.Restore(new byte[64 << 20])));
                caller.Start();
                Assert.IsTrue(caller.Join(20000), "the call waits for ever");
                Assert.AreEqual("timeout", error.Code);
                server.PauseMs = 0;
            }
        }

        [Test]
        public void ASessionThatIsLeftInAStepIsClosedWhenTheServerHasTime()
        {
            HeliosClient client = server.Connect();
            HeliosSession session = client.Open(new HeliosOpenOptions());
            session.Reset(1).Dispose();
            int refusals = 0;
            bool isClosed = false;
            server.Script = heard =>
            {
                string type = (string)heard["t"];
                bool isBusy = type == "CLOSE" && refusals < 6; // for more than three seconds
                if (isBusy) server.Error(heard["seq"], "busy", true);
                if (isBusy) refusals++;
                else isClosed |= type == "CLOSE";
                return type == "STEP" || isBusy;
            };
            session.BeginStep();
            Until(() => server.Count("STEP") == 1, "the step");
            client.Dispose();
            Assert.IsTrue(client.WaitEnded(20000));
            Assert.IsTrue(isClosed, "the server keeps a session that nobody has");
        }

        [Test]
        public void ASessionThatIsLeftWhileItIsOpenedIsClosed()
        {
            HeliosClient client = server.Connect();
            Dictionary<string, object> open = null;
            server.Script = heard =>
            {
                if ((string)heard["t"] == "OPEN") open = heard;
                return (string)heard["t"] == "OPEN";
            };
            client.BeginOpen(new HeliosOpenOptions());
            Until(() => Volatile.Read(ref open) != null, "the request");
            lock (client.Gate) // the answer is not read before the client is left, however slow this thread is
            {
                server.Opened(open);
                client.Dispose();
            }
            Assert.IsTrue(client.WaitEnded(20000));
            Until(() => server.Count("CLOSE") == 1, "the end of the session");
        }

        [Test]
        public void ClosingSucceedsWhereTheAnswerIsLostWithTheConnection()
        {
            using (HeliosClient client = server.Connect())
            {
                HeliosSession session = client.Open(new HeliosOpenOptions());
                server.Script = heard =>
                {
                    if ((string)heard["t"] == "CLOSE") server.Cut();
                    if ((string)heard["t"] == "RESUME") server.Error(heard["seq"], "unknown_session");
                    return (string)heard["t"] == "CLOSE" || (string)heard["t"] == "RESUME";
                };
                session.Close();
                Assert.IsFalse(session.IsOpen);
                Until(() => server.Count("RESUME") == 1 || client.Statistics.Connections == 2, "another connection");
            }
        }

        [Test]
        public void AFastGameDoesNotFloodTheServerAndLosesNoMotion()
        {
            using (HeliosClient client = server.Connect())
            {
                HeliosStream stream = Streaming(client).Stream;
                HeliosFrame frame;
                double start = HeliosClock.Now, moved = 0;
                stream.Update(start, out frame); // the epoch begins
                for (int updates = 0; updates < 1000; updates++, moved += 0.125)
                {
                    stream.Inputs.AddAxis("turn", 0.125);
                    stream.Update(start + 0.001 * updates, out frame);
                }
                stream.Update(start + 2, out frame);
                Until(() => Math.Abs(server.Moved - moved) < 1e-9, "all of the motion");
                Assert.LessOrEqual(server.Count("INPUT"), 70, "in a second of 1000 frames");
            }
        }

        private static HeliosSession Streaming(HeliosClient client)
        {
            HeliosSession session = client.Open(new HeliosOpenOptions { Mode = HeliosMode.Stream });
            session.Reset(1);
            return session;
        }

        /// <summary>As a game does, with the mouse in motion, until it is so.</summary>
        private static void Play(HeliosStream stream, double seconds, Func<bool> isSo, List<long> shown = null)
        {
            double end = HeliosClock.Now + seconds;
            while (HeliosClock.Now < end && (isSo == null || !isSo()))
            {
                HeliosFrame frame;
                stream.Inputs.AddAxis("turn", 0.1);
                if (stream.Update(HeliosClock.Now, out frame) && frame.Number == 0 && shown != null) shown.Add(frame.Chunk.Index);
                Thread.Sleep(10);
            }
            if (isSo != null && !isSo()) Assert.Fail("it did not come to that within " + seconds + " s");
        }

        private static HeliosEvent NextError(HeliosClient client)
        {
            HeliosEvent e = default(HeliosEvent);
            Until(() => client.TryPoll(out e) && e.Kind == HeliosEventKind.Error, "an error");
            return e;
        }

        private static void Until(Func<bool> isSo, string what)
        {
            var clock = Stopwatch.StartNew();
            while (!isSo())
            {
                Thread.Sleep(2);
                if (clock.Elapsed.TotalSeconds > Patience) Assert.Fail("not within " + Patience + " s: " + what);
            }
        }
    }
}
