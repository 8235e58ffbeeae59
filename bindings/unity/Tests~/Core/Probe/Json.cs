using System;
using System.Collections;
using System.Globalization;
using System.Text;

/// <summary>Writes one line of JSON.</summary>
internal sealed class Json
{
    private readonly StringBuilder text = new StringBuilder("{");

    public Json Add(string key, object value)
    {
        if (text.Length > 1) text.Append(',');
        Write(key);
        text.Append(':');
        Write(value);
        return this;
    }

    public override string ToString()
    {
        return text + "}";
    }

    private void Write(object value)
    {
        var list = value as IEnumerable;
        if (value == null) text.Append("null");
        else if (value is string) Quote((string)value);
        else if (value is bool) text.Append((bool)value ? "true" : "false");
        else if (value is Json) text.Append(value);
        else if (list != null) WriteAll(list);
        else if (value is double) WriteNumber((double)value);
        else text.Append(Convert.ToString(value, CultureInfo.InvariantCulture));
    }

    private void WriteAll(IEnumerable list)
    {
        text.Append('[');
        bool isFirst = true;
        foreach (object item in list)
        {
            if (!isFirst) text.Append(',');
            isFirst = false;
            Write(item);
        }
        text.Append(']');
    }

    private void WriteNumber(double value)
    {
        bool isFinite = !double.IsNaN(value) && !double.IsInfinity(value);
        text.Append(isFinite ? value.ToString("R", CultureInfo.InvariantCulture) : "null");
    }

    private void Quote(string value)
    {
        text.Append('"');
        foreach (char letter in value)
        {
            bool isPlain = letter >= ' ' && letter < 127 && letter != '"' && letter != '\\';
            if (isPlain) text.Append(letter);
            else text.Append("\\u").Append(((int)letter).ToString("x4"));
        }
        text.Append('"');
    }
}
