using System.CommandLine;
using Rosetta.Cli.Commands;
using Rosetta.Cli.Invocations;

namespace Rosetta.Cli;

/// <summary>The <c>rosetta</c> command tree. It speaks HTTP to a node and nothing else.</summary>
public static class RosettaCommand
{
    public static RootCommand Create()
    {
        var root = new RootCommand("Change data capture from PostgreSQL to many destinations: the command line client of a node.")
        {
            StatusCommand.Create(),
            PipelineCommands.Create(),
            TableCommands.Create(),
            BackfillCommands.Create(),
            VerifyCommand.Create(),
            ResyncCommand.Create(),
            DeadLetterCommands.Create(),
            SourceCommands.Create(),
            DestinationCommands.Create(),
            PresetCommands.Create(),
            ClusterCommands.Create(),
            HealthCommand.Create()
        };
        foreach (var command in ConfigCommands.Create())
            root.Subcommands.Add(command);
        GlobalOptions.AddTo(root);
        return root;
    }
}
