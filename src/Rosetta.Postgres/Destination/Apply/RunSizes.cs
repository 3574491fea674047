namespace Rosetta.Postgres.Destination.Apply;

/// <summary>How many changes are tried together, by the share of them that fails. Pure.</summary>
static class RunSizes
{
    /// <summary>Of a run that failed, so many are tried at a time, change by change: where one of them fails those before stay.</summary>
    public const int Part = 32;

    const int Least = 64;
    const int Most = 4096;

    /// <summary>Of a run of which all guilty changes are named at once.</summary>
    public const int OfMany = 256;

    /// <summary>From one in fifty on savepoints around every change of a run cost less than the round trips that name its changes one after the other.</summary>
    const double Many = 0.02;

    /// <summary>
    /// A run costs the server as much as some fifty rows; of one that fails half is for nothing, and half of it is applied again change by change, at four times
    /// the price. So the least is spent where n changes have <c>50 / n</c> of the one and <c>share * n * 2</c> of the other.
    /// </summary>
    const double RunPrice = 50.0 / 2;

    /// <summary>Changes of a run.</summary>
    public static int Of(double share) => NamesAll(share) ? OfMany : (int)Math.Clamp(Math.Sqrt(RunPrice / share), Least, Most);

    /// <summary>Changes that are sent before their outcome is waited for: what follows one that fails is sent for nothing.</summary>
    public static int Sent(double share) => (int)Math.Clamp(1 / share, 2 * Least, 4 * Most);

    /// <summary>All guilty changes of a run that failed are named at once, instead of the first one.</summary>
    public static bool NamesAll(double share) => share >= Many;
}
