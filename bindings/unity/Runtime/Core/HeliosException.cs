using System;

namespace HeliosWorld
{
    /// <summary>
    /// What went wrong. <see cref="Code"/> is the server's code (PROTOCOL.md lists them) or one of the client's own:
    /// "timeout" (no answer in time), "connection" (no server, or lost and not resumed in time), "protocol" (what came
    /// breaks the rules), "too_large", "usage" (called wrongly).
    /// </summary>
    public sealed class HeliosException : Exception
    {
        /// <summary>An error with a code.</summary>
        public HeliosException(string code, string message, bool retryable) : base(message)
        {
            Code = code;
            Retryable = retryable;
        }

        /// <summary>The kind of error.</summary>
        public string Code { get; private set; }

        /// <summary>The same may succeed later.</summary>
        public bool Retryable { get; private set; }

        internal static HeliosException Usage(string message)
        {
            return new HeliosException("usage", message, false);
        }

        internal static HeliosException Closed()
        {
            return Usage("the client is closed; make a new HeliosClient");
        }
    }

    /// <summary>Bytes that are not a valid message. Never leaves the core.</summary>
    internal sealed class WireException : Exception
    {
        public WireException(string message) : base(message)
        {
        }
    }
}
