using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using NUnit.Framework;
using UnityEngine;

namespace HeliosWorld.Tests
{
    /// <summary>A scene that is empty before and after each test, and frames that pass while a test waits.</summary>
    public abstract class SceneTest
    {
        const double PatienceSeconds = 20;
        static readonly Func<long> allocated = FindCounter();
        static readonly List<Socket> taken = new List<Socket>();

        /// <summary>Of the server that the tests are run with: `helios-world serve nano`.</summary>
        protected static string Address
        {
            get
            {
                string address = Environment.GetEnvironmentVariable("HELIOS_ADDRESS");
                if (string.IsNullOrEmpty(address)) Assert.Fail("set HELIOS_ADDRESS to the address of a server");
                return address;
            }
        }

        [SetUp]
        public void Clear()
        {
            Stub.Clear();
            Input.Held.Clear();
            Input.Down.Clear();
            Input.Axes.Clear();
            UnityEngine.InputSystem.InputStub.Values.Clear();
        }

        [TearDown]
        public void EndScene()
        {
            Stub.Clear();
            AssertSoon(() => ClientThreads() == 0, "threads of the client go on");
        }

        /// <summary>Let frames pass until it is so.</summary>
        protected static void Until(Func<bool> isSo, string what)
        {
            var clock = Stopwatch.StartNew();
            while (!isSo())
            {
                Stub.Frame();
                Thread.Sleep(2);
                if (clock.Elapsed.TotalSeconds > PatienceSeconds) Assert.Fail("not within " + PatienceSeconds + " s: " + what + Said());
            }
        }

        protected static void AssertSoon(Func<bool> isSo, string otherwise)
        {
            var clock = Stopwatch.StartNew();
            while (!isSo())
            {
                Thread.Sleep(5);
                if (clock.Elapsed.TotalSeconds > PatienceSeconds) Assert.Fail(otherwise + Said());
            }
        }

        protected static void Frames(double seconds)
        {
            double end = HeliosClock.Now + seconds;
            while (HeliosClock.Now < end)
            {
                Stub.Frame();
                Thread.Sleep(2);
            }
        }

        /// <summary>A world that has not been enabled yet; autostart is off.</summary>
        protected static HeliosWorldBehaviour Make(Action<HeliosWorldBehaviour> set = null, string name = "World")
        {
            var owner = new GameObject(name);
            owner.SetActive(false);
            var world = owner.AddComponent<HeliosWorldBehaviour>();
            world.address = Environment.GetEnvironmentVariable("HELIOS_ADDRESS") ?? "tcp://127.0.0.1:1";
            world.autostart = false;
            world.timeout = 15;
            world.prompt = "a brick garden at noon";
            world.seed = 7;
            if (set != null) set(world);
            return world;
        }

        protected static HeliosWorldBehaviour Enabled(Action<HeliosWorldBehaviour> set = null)
        {
            HeliosWorldBehaviour world = Make(set);
            world.gameObject.SetActive(true);
            return world;
        }

        /// <summary>Open and begun, in lockstep mode unless it is set otherwise.</summary>
        protected static HeliosWorldBehaviour Begun(Action<HeliosWorldBehaviour> set = null)
        {
            HeliosWorldBehaviour world = Enabled(made =>
            {
                made.mode = HeliosMode.Lockstep;
                if (set != null) set(made);
            });
            Await(world.Open());
            Await(world.ResetWorld());
            return world;
        }

        protected static HeliosRequest Await(HeliosRequest request)
        {
            Until(() => request.IsDone, request.What.ToString());
            if (request.Error != null) Assert.Fail(request.Error.Code + ": " + request.Error.Message);
            return request;
        }

        protected static byte[] Pixels(HeliosWorldBehaviour world)
        {
            return (byte[])((Texture2D)world.Texture).Pixels.Clone();
        }

        /// <summary>Threads that clients run; they are named.</summary>
        protected static int ClientThreads()
        {
            int count = 0;
            foreach (string task in System.IO.Directory.GetDirectories("/proc/self/task"))
            {
                try { if (System.IO.File.ReadAllText(task + "/comm").StartsWith("helios", StringComparison.OrdinalIgnoreCase)) count++; }
                catch (System.IO.IOException) { } // it has just ended
            }
            return count;
        }

        /// <summary>Taken, so that nobody else listens there either.</summary>
        protected static int UnusedPort()
        {
            var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            taken.Add(silent);
            return ((IPEndPoint)silent.LocalEndPoint).Port;
        }

        /// <summary>Bytes that this thread allocates in it.</summary>
        protected static long Allocated(Action action)
        {
            long before = allocated();
            action();
            return allocated() - before;
        }

        static string Said() { return Stub.Errors.Count == 0 ? "" : "\nconsole: " + string.Join("\n", Stub.Errors.ToArray()); }

        // It is in the runtime, but not among the reference assemblies.
        static Func<long> FindCounter()
        {
            return (Func<long>)Delegate.CreateDelegate(typeof(Func<long>), typeof(GC).GetMethod("GetAllocatedBytesForCurrentThread"));
        }
    }
}
