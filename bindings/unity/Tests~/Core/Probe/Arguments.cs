using System;
using System.Collections.Generic;
using System.Globalization;
using HeliosWorld;

/// <summary>A line of the probe: a command and key=value words, percent-encoded.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> values = new Dictionary<string, string>();

    public Arguments(string line)
    {
        string[] words = line.Split(new[] { ' ' }, StringSplitOptions.RemoveEmptyEntries);
        Command = words.Length > 0 ? words[0] : "";
        for (int i = 1; i < words.Length; i++)
        {
            int equals = words[i].IndexOf('=');
            if (equals < 1) throw new HeliosException("usage", "'" + words[i] + "' is not key=value", false);
            values[words[i].Substring(0, equals)] = Uri.UnescapeDataString(words[i].Substring(equals + 1));
        }
    }

    public string Command { get; private set; }

    public IEnumerable<KeyValuePair<string, string>> All
    {
        get { return values; }
    }

    public string Text(string key, string fallback)
    {
        string value;
        return values.TryGetValue(key, out value) ? value : fallback;
    }

    public double Number(string key, double fallback)
    {
        string text = Text(key, null);
        double value;
        if (text == null) return fallback;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value)) return value;
        throw new HeliosException("usage", key + " is '" + text + "', which is no number", false);
    }

    public long Whole(string key, long fallback)
    {
        string text = Text(key, null);
        long value;
        if (text == null) return fallback;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value)) return value;
        throw new HeliosException("usage", key + " is '" + text + "', which is no whole number", false);
    }

    /// <summary>Of buttons=a,b and axis.name=value.</summary>
    public HeliosAction Action()
    {
        var action = new HeliosAction();
        foreach (string button in Buttons()) action.Hold(button);
        foreach (KeyValuePair<string, string> pair in values)
        {
            if (pair.Key.StartsWith("axis.", StringComparison.Ordinal)) action.Set(pair.Key.Substring(5), Number(pair.Key, 0));
        }
        return action;
    }

    public string[] Buttons()
    {
        return Text("buttons", "").Split(new[] { ',' }, StringSplitOptions.RemoveEmptyEntries);
    }
}
