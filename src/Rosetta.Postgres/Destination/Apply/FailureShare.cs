namespace Rosetta.Postgres.Destination.Apply;

/// <summary>The share of changes that failed lately. Pure.</summary>
sealed class FailureShare
{
    /// <summary>What is older counts half, and so on.</summary>
    const int Window = 8192;

    /// <summary>Before anything is known: one in a thousand.</summary>
    const double FirstChanges = 256;
    const double FirstFailures = FirstChanges / 1000;

    double _changes;
    double _failures;

    /// <summary>Never zero.</summary>
    public double Value => (_failures + FirstFailures) / (_changes + FirstChanges);

    public void Note(int changes, int failures)
    {
        _changes += changes;
        _failures += failures;
        if (_changes <= Window)
            return;
        _changes /= 2;
        _failures /= 2;
    }
}
