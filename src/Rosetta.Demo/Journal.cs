using System.Diagnostics;
using System.Globalization;

namespace Rosetta.Demo;

/// <summary>What the demo does, line by line with the seconds since its start.</summary>
sealed class Journal(TextWriter output)
{
    /// <summary>Says nothing: a picture shows it.</summary>
    public static readonly Journal Silent = new(TextWriter.Null);

    readonly long _start = Stopwatch.GetTimestamp();
    readonly Lock _guard = new();

    public double Seconds => Stopwatch.GetElapsedTime(_start).TotalSeconds;

    public void Say(string text)
    {
        lock (_guard)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"[{Seconds,6:F1} s] {text}"));
            output.Flush();
        }
    }

    /// <summary>A line without the time, e.g. a result.</summary>
    public void Line(string text)
    {
        lock (_guard)
        {
            output.WriteLine(text);
            output.Flush();
        }
    }
}
