using System.CommandLine;

namespace Rosetta.Cli.Invocations;

/// <summary>What every verb takes.</summary>
static class GlobalOptions
{
    public const string AddressVariable = "ROSETTA_API";
    public const string KeyVariable = "ROSETTA_API_KEY";

    public static readonly Option<string?> Api = new("--api")
    {
        Description = $"Address of a node, any node of the cluster ({AddressVariable}; default http://127.0.0.1:8000)",
        HelpName = "URL",
        Recursive = true
    };

    public static readonly Option<string?> Key = new("--key")
    {
        Description = $"API key; better in {KeyVariable}, where other users of this machine cannot read it",
        HelpName = "KEY",
        Recursive = true
    };

    public static readonly Option<bool> Json = new("--json")
    {
        Description = "Print the API's answer as JSON",
        Recursive = true
    };

    public static readonly Option<bool> Yes = new("--yes", "-y")
    {
        Description = "Do not ask before something that cannot be taken back",
        Recursive = true
    };

    public static void AddTo(RootCommand root)
    {
        root.Options.Add(Api);
        root.Options.Add(Key);
        root.Options.Add(Json);
        root.Options.Add(Yes);
    }
}
