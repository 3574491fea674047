using Rosetta.Cli;

return await RosettaCommand.Create().Parse(args).InvokeAsync();
