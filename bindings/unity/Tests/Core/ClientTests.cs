using System;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using NUnit.Framework;

namespace HeliosWorld.Tests
{
    /// <summary>Pools, bounds, and ending.</summary>
    [TestFixture]
    public class ClientTests
    {
        [Test]
        public void ThePoolGivesTheSameArrayAgainAndIsBounded()
        {
            var pool = new FramePool();
            byte[] first = pool.Rent(24 << 20);
            pool.Return(first);
            Assert.AreSame(first, pool.Rent((24 << 20) - 100));
            Assert.AreEqual(1, pool.Allocated);
            for (int i = 0; i < 100; i++) pool.Return(new byte[8 << 20]);
            Assert.IsTrue(pool.KeptBytes <= 256L << 20);
        }

        [Test]
        public void TheQueueKeepsTheNewestEvents()
        {
            var queue = new EventQueue();
            for (int i = 0; i < EventQueue.Capacity + 10; i++)
            {
                var item = new HeliosEvent { Kind = HeliosEventKind.Error, Text = i.ToString() };
                queue.Push(ref item);
            }
            HeliosEvent e;
            Assert.IsTrue(queue.TryPop(out e));
            Assert.AreEqual("10", e.Text);
            Assert.AreEqual(10, queue.Dropped);
            int left = 0;
            while (queue.TryPop(out e)) left++;
            Assert.AreEqual(EventQueue.Capacity - 1, left);
        }

        [TestCase("")]
        [TestCase("127.0.0.1")]
        [TestCase("tcp://*:5555")]
        [TestCase("ipc://x:1")]
        [TestCase("host:0")]
        [TestCase("host:70000")]
        public void ABadAddressIsAUsageError(string address)
        {
            var error = Assert.Throws<HeliosException>(() => new HeliosClient(new HeliosClientOptions { Address = address }));
            Assert.AreEqual("usage", error.Code);
        }

        [Test]
        public void NobodyListeningIsAConnectionErrorInTime()
        {
            using (var client = Client(FreePort(), 0.6))
            {
                double start = HeliosClock.Now;
                Assert.AreEqual("connection", Assert.Throws<HeliosException>(client.Connect).Code);
                Assert.IsTrue(HeliosClock.Now - start < 5);
            }
        }

        [Test]
        public void DisposeWakesWhoWaitsAndEndsTheThreads()
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var client = Client(((IPEndPoint)listener.LocalEndpoint).Port, 60);
            HeliosException error = null;
            var waiter = new Thread(() => error = Assert.Throws<HeliosException>(client.Connect));
            waiter.Start();
            Thread.Sleep(200);
            client.Dispose();
            client.Dispose();
            Assert.IsTrue(waiter.Join(20000));
            Assert.AreEqual("usage", error.Code);
            Assert.IsTrue(client.WaitEnded(20000));
            Assert.AreEqual(HeliosClientState.Closed, client.State);
            listener.Stop();
        }

        [Test]
        public void AClientThatWasNeverStartedEnds()
        {
            var client = Client(1, 1);
            client.Dispose();
            Assert.IsTrue(client.WaitEnded(10));
            Assert.Throws<HeliosException>(client.BeginConnect);
        }

        private static HeliosClient Client(int port, double timeout)
        {
            return new HeliosClient(new HeliosClientOptions { Address = "127.0.0.1:" + port, TimeoutSeconds = timeout });
        }

        private static int FreePort()
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            int port = ((IPEndPoint)listener.LocalEndpoint).Port;
            listener.Stop();
            return port;
        }
    }
}
