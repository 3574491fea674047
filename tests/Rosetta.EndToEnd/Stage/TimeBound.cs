namespace Rosetta.EndToEnd.Stage;

/// <summary>
/// The trait of tests that hold a time against a bound that users rely on. <c>./test</c> runs them after all others, alone on the machine: beside other
/// tests a bound would have to be so wide that it says nothing.
/// </summary>
static class TimeBound
{
    public const string Trait = "Time";

    public const string Value = "bound";
}
