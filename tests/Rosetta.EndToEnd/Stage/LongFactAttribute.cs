using Xunit;

namespace Rosetta.EndToEnd.Stage;

/// <summary>Runs by <c>./test --long</c> only: it takes minutes.</summary>
public sealed class LongFactAttribute : FactAttribute
{
    public LongFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("ROSETTA_LONG") != "1")
            Skip = "Takes minutes: ./test --long";
    }
}
