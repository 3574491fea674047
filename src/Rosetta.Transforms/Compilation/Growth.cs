namespace Rosetta.Transforms.Compilation;

/// <summary>
/// An upper bound of a value's size in bytes: <paramref name="Factor"/> times the row's own size plus <paramref name="Constant"/>. DuckDB's memory
/// limit does not see the strings that functions make (repeat('x', 500000000) took its half gigabyte beside a limit of 128 MB), and no
/// interrupt comes in the middle of one, so what an expression can make is bounded before it runs.
/// </summary>
readonly record struct Growth(double Factor, double Constant)
{
    /// <summary>Over all of a transform's nodes together: so many times the row.</summary>
    public const double MostFactor = 2_000;

    /// <summary>Over all of a transform's nodes together: so many bytes on top.</summary>
    public const double MostConstant = 512 * 1024;

    /// <summary>A number, a date, true or false.</summary>
    public static readonly Growth Fixed = new(0, 32);

    public static readonly Growth Column = new(1, 0);

    public static Growth operator +(Growth a, Growth b) => new(a.Factor + b.Factor, a.Constant + b.Constant);

    public static Growth operator *(Growth a, double times) => new(a.Factor * times, a.Constant * times);

    public static Growth Larger(Growth a, Growth b) => new(Math.Max(a.Factor, b.Factor), Math.Max(a.Constant, b.Constant));

    public static Growth Sum(IEnumerable<Growth> parts) => parts.Aggregate(default(Growth), static (sum, part) => sum + part);
}
