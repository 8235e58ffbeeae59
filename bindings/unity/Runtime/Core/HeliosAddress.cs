using System.Globalization;
using System.Net;

namespace HeliosWorld
{
    /// <summary>"tcp://host:port" or "host:port", taken apart.</summary>
    internal struct HeliosAddress
    {
        public string Host;
        public int Port;

        public static HeliosAddress Parse(string text)
        {
            string rest = text ?? "";
            if (rest.StartsWith("tcp://", System.StringComparison.Ordinal)) rest = rest.Substring(6);
            int colon = rest.LastIndexOf(':');
            int port;
            bool isPort = int.TryParse(rest.Substring(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port);
            string host = colon < 1 ? "" : rest.Substring(0, colon);
            bool isBracketed = host.Length > 2 && host[0] == '[' && host[host.Length - 1] == ']';
            if (isBracketed) host = host.Substring(1, host.Length - 2);
            bool isHost = host.Length > 0 && host.Length < 254 && host.IndexOf('/') < 0 && host != "*" && (isBracketed || host.IndexOf(':') < 0);
            if (!isPort || port < 1 || port > 65535 || !isHost)
                throw HeliosException.Usage("'" + text + "' is no address; use tcp://host:port, such as tcp://127.0.0.1:5555");
            return new HeliosAddress { Host = host, Port = port };
        }

        /// <summary>May wait for a name server.</summary>
        public IPAddress[] Resolve()
        {
            IPAddress literal;
            if (IPAddress.TryParse(Host, out literal)) return new[] { literal };
            return Dns.GetHostAddresses(Host);
        }
    }
}
