using System;
using System.Net;
using System.Net.Sockets;

namespace HeliosWorld
{
    /// <summary>
    /// A TCP connection whose calls never wait longer than a tenth of a second, so that threads can always end. One
    /// thread reads and one writes; anybody may shut it down.
    /// </summary>
    internal sealed class TcpChannel
    {
        private const int SliceMicroseconds = 100000;
        // What waits in the system's buffer looks as if it had arrived.
        private const int SendBufferBytes = 1 << 18;
        // Less than the room that there is when a socket can be written to: Mono waits until all of it has gone.
        private const int MostWritten = 1 << 14;
        private readonly Socket socket;

        private TcpChannel(Socket socket)
        {
            this.socket = socket;
        }

        /// <exception cref="WireException">nobody listens there, or not in time.</exception>
        public static TcpChannel Connect(HeliosAddress address, double seconds, Func<bool> isOver)
        {
            string why = "the name '" + address.Host + "' has no address";
            foreach (IPAddress host in Resolve(address))
            {
                TcpChannel channel = null;
                try
                {
                    channel = new TcpChannel(new Socket(host.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
                    why = channel.Try(new IPEndPoint(host, address.Port), HeliosClock.Now + seconds, isOver);
                    if (why == null) return channel;
                }
                catch (SocketException error)
                {
                    why = error.Message; // as where the system has no IPv6; the next address may do
                }
                if (channel != null) channel.Close();
            }
            throw new WireException(why);
        }

        /// <summary>The number of bytes read; 0 after a while without any.</summary>
        /// <exception cref="WireException">the connection has ended.</exception>
        public int Read(byte[] target, int offset, int count)
        {
            try
            {
                if (!socket.Poll(SliceMicroseconds, SelectMode.SelectRead)) return 0;
                SocketError error;
                int read = socket.Receive(target, offset, count, SocketFlags.None, out error);
                if (error == SocketError.WouldBlock || error == SocketError.Interrupted) return 0;
                if (error != SocketError.Success) throw new WireException("the connection broke: " + error);
                if (read == 0) throw new WireException("the server has closed the connection");
                return read;
            }
            catch (SocketException error)
            {
                throw new WireException("the connection broke: " + error.Message);
            }
            catch (ObjectDisposedException)
            {
                throw new WireException("the connection was closed");
            }
        }

        /// <summary>The number of bytes written; 0 after a while without room.</summary>
        /// <exception cref="WireException">the connection has ended.</exception>
        public int Write(byte[] source, int offset, int count)
        {
            try
            {
                if (!socket.Poll(SliceMicroseconds, SelectMode.SelectWrite)) return 0;
                SocketError error;
                int sent = socket.Send(source, offset, Math.Min(count, MostWritten), SocketFlags.None, out error);
                if (error == SocketError.WouldBlock || error == SocketError.Interrupted) return 0;
                if (error != SocketError.Success) throw new WireException("the connection broke: " + error);
                return sent;
            }
            catch (SocketException error)
            {
                throw new WireException("the connection broke: " + error.Message);
            }
            catch (ObjectDisposedException)
            {
                throw new WireException("the connection was closed");
            }
        }

        /// <summary>No more is sent, or nothing at all any more; the reader notices at once.</summary>
        public void Shutdown(SocketShutdown how)
        {
            try
            {
                socket.Shutdown(how);
            }
            catch (SocketException)
            {
                // It has ended already.
            }
            catch (ObjectDisposedException)
            {
                // As above.
            }
        }

        public void Close()
        {
            socket.Close();
        }

        private static IPAddress[] Resolve(HeliosAddress address)
        {
            try
            {
                return address.Resolve();
            }
            catch (SocketException error)
            {
                throw new WireException("the name '" + address.Host + "' has no address (" + error.Message + ")");
            }
        }

        // Null when it is connected, otherwise why not.
        private string Try(IPEndPoint end, double until, Func<bool> isOver)
        {
            socket.Blocking = false;
            socket.NoDelay = true;
            socket.SendBufferSize = SendBufferBytes;
            try
            {
                socket.Connect(end);
            }
            catch (SocketException error)
            {
                SocketError code = error.SocketErrorCode;
                if (code != SocketError.WouldBlock && code != SocketError.InProgress) return error.Message;
            }
            while (!socket.Poll(SliceMicroseconds, SelectMode.SelectWrite))
            {
                if (isOver()) return "the client is closed";
                if (socket.Poll(0, SelectMode.SelectError)) break;
                if (HeliosClock.Now > until) return "nobody answers at " + end;
            }
            int failure = (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error);
            return failure == 0 ? null : "nobody listens at " + end + " (" + (SocketError)failure + ")";
        }
    }
}
