using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;
using System.Threading;

namespace HeliosWorld.Tests
{
    /// <summary>Stands between a client and the server, can cut the connection, and hold answers back.</summary>
    sealed class Relay : IDisposable
    {
        readonly TcpListener listener;
        readonly List<Socket> sockets = new List<Socket>();
        readonly ManualResetEvent mayAnswer = new ManualResetEvent(true);
        readonly Uri server;

        /// <param name="address">Of the server.</param>
        /// <param name="port">To listen on; 0 for a free one.</param>
        public Relay(string address, int port = 0)
        {
            server = new Uri(address);
            listener = new TcpListener(IPAddress.Loopback, port);
            listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            listener.Start();
            Port = ((IPEndPoint)listener.LocalEndpoint).Port;
            new Thread(Accept) { IsBackground = true }.Start();
        }

        public int Port { get; private set; }

        public string Address { get { return "tcp://127.0.0.1:" + Port; } }

        /// <summary>What the server says stays here until it is let through.</summary>
        public void Hold() { mayAnswer.Reset(); }

        public void LetThrough() { mayAnswer.Set(); }

        public void Cut()
        {
            lock (sockets)
            {
                foreach (Socket each in sockets) each.Close();
                sockets.Clear();
            }
        }

        /// <summary>Nobody listens any more.</summary>
        public void Dispose()
        {
            listener.Stop();
            Cut();
            LetThrough();
        }

        void Accept()
        {
            try
            {
                while (true) Join(listener.AcceptSocket());
            }
            catch (SocketException) { }
            catch (InvalidOperationException) { } // closed, or nobody listens any more
        }

        void Join(Socket client)
        {
            var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            other.Connect(server.Host, server.Port);
            client.NoDelay = true;
            lock (sockets)
            {
                sockets.Add(client);
                sockets.Add(other);
            }
            new Thread(() => Pump(client, other, () => { })) { IsBackground = true }.Start();
            new Thread(() => Pump(other, client, () => mayAnswer.WaitOne())) { IsBackground = true }.Start();
        }

        static void Pump(Socket from, Socket to, Action wait)
        {
            var buffer = new byte[1 << 16];
            try
            {
                for (int count = from.Receive(buffer); count > 0; count = from.Receive(buffer))
                {
                    wait();
                    to.Send(buffer, 0, count, SocketFlags.None);
                }
            }
            catch (SocketException) { }
            catch (ObjectDisposedException) { }
            from.Close();
            to.Close();
        }
    }
}
