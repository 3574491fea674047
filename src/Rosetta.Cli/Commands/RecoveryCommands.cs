using System.CommandLine;
using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;

namespace Rosetta.Cli.Commands;

/// <summary>Verbs of <c>rosetta dlq</c> that order something: recover, retry, discard, cancel.</summary>
static class RecoveryCommands
{
    static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(500);

    static readonly Argument<string> RecoveryArgument = new("recovery") { Description = "Id of the order" };
    static readonly Option<bool> WaitOption = new("--wait") { Description = "Until it has ended; exit code 1 unless everything came through" };

    public static Command[] Create() =>
    [
        Verb.Create(
            "recover", "Tries dead letters again now, whatever tries they have had",
            async i => await OrderAsync(i, "recover-dlq", new StartRecovery(i.Value(DeadLetterCommands.TableOption), i.Value(DeadLetterCommands.ClassOption)), i.Value(WaitOption)),
            DeadLetterCommands.PipelineArgument, DeadLetterCommands.DestinationArgument, DeadLetterCommands.TableOption, DeadLetterCommands.ClassOption, WaitOption),
        RetryVerb(),
        DiscardVerb(),
        Verb.Create(
            "cancel", "Ends an order after the transaction at hand; what has been done stays",
            async i => i.Show<Recovery>(await i.PostAsync($"{await PathAsync(i)}/recover-dlq/{Uri.EscapeDataString(i.Value(RecoveryArgument))}/cancel"), RecoveryView.Render),
            DeadLetterCommands.PipelineArgument, DeadLetterCommands.DestinationArgument, RecoveryArgument),
    ];

    static Command RetryVerb()
    {
        var set = new Option<string[]>("--set") { Description = "column=value: another value for the new row, for good; may be repeated" };
        var setNull = new Option<string[]>("--set-null") { Description = "A column of the new row that becomes NULL; may be repeated" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Changes nothing; shows what would be done, against which row" };
        return Verb.Create(
            "retry", "Tries one dead letter again, with what has to be applied together with it",
            async i =>
            {
                var values = new Dictionary<string, string?>();
                foreach (var pair in i.Value(set) ?? [])
                {
                    var equals = pair.IndexOf('=', StringComparison.Ordinal);
                    if (equals < 1)
                        throw new RefusedException($"--set {pair} is not of the form column=value.");
                    values[pair[..equals]] = pair[(equals + 1)..];
                }

                foreach (var column in i.Value(setNull) ?? [])
                    values[column] = null;
                var dry = i.Value(dryRun);
                return await OrderAsync(
                    i, $"dlq/{Uri.EscapeDataString(i.Value(DeadLetterCommands.EntryArgument))}/retry", new RetryLetter(values.Count == 0 ? null : values, dry ? true : null), dry || i.Value(WaitOption));
            },
            DeadLetterCommands.PipelineArgument, DeadLetterCommands.DestinationArgument, DeadLetterCommands.EntryArgument, set, setNull, dryRun, WaitOption);
    }

    static Command DiscardVerb()
    {
        var entry = new Argument<string>("entry") { Description = "Id of the dead letter; without it those of --table or --error-class", DefaultValueFactory = _ => "" };
        var reason = new Option<string>("--reason") { Description = "Why; is kept in the audit", Required = true };
        return Verb.Create(
            "discard", "Takes dead letters out for good; the audit keeps them",
            async i =>
            {
                var (one, table, errorClass) = (i.Value(entry) is { Length: > 0 } named ? named : null, i.Value(DeadLetterCommands.TableOption), i.Value(DeadLetterCommands.ClassOption));
                if (one is null == (table is null && errorClass is null))
                    throw new RefusedException("Name either one entry, or --table, --error-class or both.");
                i.Confirm($"Discard {(one is not null ? $"the dead letter {one}" : $"all dead letters{(table is null ? "" : $" of {table}")}{(errorClass is null ? "" : $" of class {errorClass}")}")} at {i.Value(DeadLetterCommands.DestinationArgument)}? These changes are never applied.");
                return await OrderAsync(
                    i, one is null ? "dlq/discard" : $"dlq/{Uri.EscapeDataString(one)}/discard", new DiscardLetters(i.Value(reason)!, table, errorClass), i.Value(WaitOption));
            },
            DeadLetterCommands.PipelineArgument, DeadLetterCommands.DestinationArgument, entry, DeadLetterCommands.TableOption, DeadLetterCommands.ClassOption, reason, WaitOption);
    }

    static async Task<string> PathAsync(Invocation i) =>
        $"pipelines/{await i.IdAsync("pipelines", DeadLetterCommands.PipelineArgument)}/destinations/{await i.IdAsync("destinations", DeadLetterCommands.DestinationArgument)}";

    static async Task<int> OrderAsync(Invocation i, string what, object body, bool wait)
    {
        var path = await PathAsync(i);
        var started = await i.PostAsync($"{path}/{what}", body);
        var id = started.As<RecoveryStarted>().RecoveryId;
        if (!wait)
        {
            i.Done(started, $"order {id} taken");
            return 0;
        }

        var answer = await EndAsync(i, $"{path}/recover-dlq/{id}");
        i.Show<Recovery>(answer, RecoveryView.Render);
        return answer.As<Recovery>() is { State: "COMPLETED", Failed: 0, Lost: 0 } ? 0 : Verb.Failed;
    }

    static async Task<ApiAnswer> EndAsync(Invocation i, string path)
    {
        using var line = new ProgressLine();
        var answer = await i.GetAsync(path);
        while (answer.As<Recovery>() is { IsOpen: true } order)
        {
            line.Show(RecoveryView.Progress(order));
            await Task.Delay(LookInterval, i.Cancelled);
            answer = await i.GetAsync(path);
        }

        return answer;
    }
}
