namespace HeliosWorld
{
    /// <summary>What a person can do about an error.</summary>
    static class HeliosAdvice
    {
        /// <summary>One line for the console.</summary>
        public static string Line(HeliosException error)
        {
            return "Helios, " + error.Code + ": " + error.Message + "\n" + For(error.Code);
        }

        static string For(string code)
        {
            switch (code)
            {
                case "connection": return "Start a server with `helios-world serve nano`, and compare Address with the line it prints.";
                case "timeout": return "Is the server overloaded, or the timeout too short? `helios-world health` tells how it is.";
                case "version": return "Server and package are of different generations: update the older one.";
                case "protocol": return "What answers at this address may not be a helios-world server, or is of another generation.";
                case "too_large": return "Open the world with Progressive on, or ask for less at once.";
                case "action": return "Use the buttons and axes that World lists, with values in their ranges.";
                case "prompt": return "A prompt is a text of at most 2,000 characters that this world takes.";
                case "option": return "Choose a world, mode and encoding that the server offers; World empty is its default world.";
                case "state": return "Reset before the first step; Step is for lockstep mode only.";
                case "snapshot": return "Restore a snapshot of the same world.";
                case "limit": return "The server has no room: close other sessions, or raise --max-sessions or --rate.";
                case "unknown_session": return "The server has ended the session. Open the world again.";
                case "draining": return "The server is about to stop. Try again when it has been started anew.";
                case "usage": return "The call is wrong as it stands; the message says why.";
                default: return "The server's log tells more.";
            }
        }
    }
}
