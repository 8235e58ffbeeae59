using System;
using System.IO;
using System.Text;
using HeliosWorld;

/// <summary>Drives the client core by lines on stdin; answers each with one line, "= " and JSON.</summary>
internal static class Program
{
    private static int Main()
    {
        var input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false));
        var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = true };
        using (var commands = new Commands())
        {
            for (string line = input.ReadLine(); line != null; line = input.ReadLine())
            {
                if (line.Trim() == "quit") break;
                if (line.Trim().Length > 0) output.WriteLine("= " + Answer(commands, line));
            }
        }
        return 0;
    }

    private static Json Answer(Commands commands, string line)
    {
        try
        {
            return commands.Run(new Arguments(line));
        }
        catch (HeliosException error)
        {
            return new Json().Add("error", error.Code).Add("message", error.Message).Add("retryable", error.Retryable);
        }
        catch (IOException error)
        {
            return new Json().Add("error", "usage").Add("message", error.Message).Add("retryable", false);
        }
    }
}
